"""The page is one file, runs nothing, and hostile text stays text."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from autograder.report import html, write
from autograder.result import Figure, Status
from tests.autograder.samples import item, png, result

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)> \x1b[2J \u202eevil {{ 7 * 7 }} {% raw %}"


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_result() -> str:
    everything = item(
        HOSTILE, "i", HOSTILE, 5, Status.LOST, reason=HOSTILE, hint=HOSTILE, fault=HOSTILE, cell=HOSTILE,
        evidence={HOSTILE: HOSTILE, "nested": {HOSTILE: [HOSTILE]}},
    )  # fmt: skip
    figure = Figure(HOSTILE, HOSTILE, HOSTILE, png())
    bad = replace(
        result(HOSTILE),
        items=(everything,),
        figures=(figure,),
        lab=HOSTILE,
        source=HOSTILE,
        sha256=HOSTILE,
        isolation=HOSTILE,
        oracle=HOSTILE,
        device={HOSTILE: HOSTILE},
        data_sets={HOSTILE: HOSTILE},
        started_at=HOSTILE,
        notes=(HOSTILE,),
    )
    return html([bad, result()], HOSTILE)


def test_hostile_text_makes_no_tag_and_no_control() -> None:
    text = hostile_result()
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert {a["src"][:22] for tag, a in page.tags if tag == "img" and a["src"]} == {"data:image/png;base64,"}
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "{{ 7 * 7 }}" in page.text
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `gpulabs hint` & look", "run <code>gpulabs hint</code> &amp; look"),
        ("`<b>` and `", "<code>&lt;b&gt;</code> and `"),
        ("<i>", "&lt;i&gt;"),
        ("one ` alone", "one ` alone"),
    ],
)
def test_backticks_show_code_and_nothing_else(text: str, shown: str) -> None:
    lost = item("conv_first", "exact", "x", 1, Status.LOST, reason="r", hint=text)
    assert f"<b>Next:</b> {shown}</p>" in html([replace(result(), items=(lost,))])


def test_a_flood_does_not_fill_the_page() -> None:
    flood = replace(
        result(), items=(item("t", "a", "x" * 10**6, 1, Status.LOST, reason="y" * 10**6),), notes=("z" * 10**6,)
    )
    assert len(html([flood])) < 60_000


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = Page(html([result(), result("grace")]))
    links = [a.get(name) or "" for _, a in page.tags for name in ("href", "src") if name in a]
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_the_policy_allows_this_style_only() -> None:
    text = html([result()])
    policy = next(a["content"] for tag, a in Page(text).tags if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_headings_captions_and_alternatives() -> None:
    page = Page(html([result(), result("grace", {"conv_strided": Status.LOST})], "Class"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert sum(tag == "table" for tag, _ in page.tags) == sum(tag == "caption" for tag, _ in page.tags)
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    assert all(a.get("aria-hidden") or a.get("aria-label") for tag, a in page.tags if tag == "svg")


def test_every_link_has_its_target() -> None:
    page = Page(html([result(), result("grace"), result("ada")]))
    ids = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    targets = [(a.get("href") or "")[1:] for tag, a in page.tags if tag in ("a", "use")]
    assert set(targets) <= set(ids)
    assert {"s1", "s2", "s3"} <= set(targets)


def test_status_is_told_by_word_and_shape() -> None:
    text = html([result(statuses={"conv_first": Status.LOST, "launch_config": Status.WITHHELD})])
    for status in ("earned", "lost", "pending", "withheld"):
        assert f'href="#i-{status}"' in text
        assert re.search(rf"</svg>{status}</span>", text)


def test_one_result_has_no_scoreboard() -> None:
    assert 'id="scoreboard"' not in html([result()])
    assert 'id="scoreboard"' in html([result(), result("grace")])


def test_no_results_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        html([])


def test_write(tmp_path: Path) -> None:
    path = write([result()], tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
