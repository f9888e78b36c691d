"""Documents say what the code does: every command has help and a place in docs/cli.md."""

import importlib.util
from pathlib import Path

import pytest

from gpulabs.labs import LABS

ROOT = Path(__file__).parents[1]


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


help_pages = load_script("help_pages")
COMMANDS = dict(help_pages.all_commands())


def test_the_reference_is_up_to_date():
    text = help_pages.PAGE.read_text(encoding="utf-8")
    assert help_pages.page(text) == text, "run: make help-pages"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name):
    command = COMMANDS[name]
    assert command.help, f"{name} has no help"
    first = command.help.strip().splitlines()[0]
    assert first.endswith((".", ":")), f"{name}: its help should begin with one sentence"
    context = command.make_context(name, [], resilient_parsing=True)
    for param in command.params:
        assert help_pages.meaning(param, context), f"{name}: {param.name} has no help"


def test_every_command_that_prints_results_has_json():
    silent = {"gpulabs start", "autograder build", "autograder course", "autograder report", "autograder export"}
    silent.add("autograder demo")
    for name, command in COMMANDS.items():
        options = {option for param in command.params for option in param.opts}
        assert name in silent or "--json" in options, f"{name} prints results and has no --json"


def test_the_readme_lists_the_labs_with_their_honest_state():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for lab in LABS:
        row = next(line for line in readme.splitlines() if line.startswith("|") and f"`{lab.id}`" in line)
        assert row.rstrip(" |").endswith("ready" if lab.ready else "planned"), row


def test_documents_link_to_files_that_exist():
    import re

    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_tables_of_measurements_are_those_of_the_recorded_results() -> None:
    import subprocess
    import sys

    found = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "result_tables.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("package", ["src/gpulabs", "autograder"])
def test_the_architecture_names_every_module_and_none_that_is_gone(package):
    import re

    folder = ROOT / package
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(rf"`{folder.name}\.(\w+)`", text))
    assert named == {module for module in modules if not module.startswith("__")}


def test_the_worker_may_import_records_and_no_other_module_of_the_grader() -> None:
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidden = next(c["forbidden_modules"] for c in contracts if c["source_modules"] == ["autograder.worker"])
    folder = ROOT / "autograder"
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}

    allowed = {"evidence", "records", "wire", "worker"}
    assert set(forbidden) == {f"autograder.{name}" for name in modules - allowed if not name.startswith("__")}
