"""Results -> one HTML file that needs nothing else: inline style, inline pictures, no script."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.report.board import boards
from autograder.report.clean import one_line
from autograder.report.view import view
from autograder.result import Result
from autograder.store import write_atomically

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"


def html(results: Sequence[Result], title: str = "") -> str:
    """Returns the report page.

    Args:
        results: One for a student's report; several also get a scoreboard with links to each.
        title: The page's heading; by default the lab's title for one result.

    Returns:
        A whole HTML document. Every text of a result is cleaned and escaped; the page's own policy
        (CSP) forbids scripts, network and any style but its own.

    Raises:
        ValueError: There are no results.
    """
    if not results:
        raise ValueError("a report needs at least one result")
    views = [view(result, index) for index, result in enumerate(results)]
    same_lab = len({result.lab for result in results}) == 1
    return page(
        "report.html.jinja",
        title=one_line(title, 200) or ("Results" if len(views) > 1 else views[0].lab_title),
        results=views,
        boards=boards(results, [shown.lab_title for shown in views]) if len(views) > 1 else [],
        same_lab=same_lab,
    )


def write(results: Sequence[Result], path: Path, title: str = "") -> Path:
    """Writes the report page and returns its path; the file is never half written."""
    return write_atomically(path, html(results, title).encode("utf-8"))


def page(template: str, styles: Sequence[str] = ("report.css",), script: str = "", **context: Any) -> str:
    """Renders a page that needs nothing else: its styles and its script are in it, and a policy allows no others.

    Args:
        template: A file of `templates/`.
        styles: Style sheets of `templates/`, in order.
        script: A script of `templates/`, or none.
        context: What the template shows; escaped there.
    """
    style = "\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in styles)
    code = (_TEMPLATES / script).read_text(encoding="utf-8") if script else ""
    allowed = {"style_hash": _digest(style), "script_hash": _digest(code)}
    return _template(template).render(**context, style=_safe(style), script=_safe(code), **allowed)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@functools.cache  # a class has a page a student, and compiling the template takes longer than filling it in
def _template(name: str) -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["with_code"] = _with_code
    return environment.get_template(name)


def _safe(style: str) -> str:
    import markupsafe

    return markupsafe.Markup(style)


def _with_code(text: str) -> str:
    """Escapes a text and shows what stands between backticks as code: `gpulabs hint lab1`."""
    import markupsafe

    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner stays one
        parts[-2:] = ["`".join(parts[-2:])]
    code = markupsafe.Markup("<code>{}</code>")
    return markupsafe.Markup("").join(code.format(part) if index % 2 else part for index, part in enumerate(parts))
