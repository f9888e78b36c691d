"""The security page claims what tests show: each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its header."""
    lines = PAGE.partition(heading)[2].partition("\n#")[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_every_test_that_is_named_exists():
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    defined = {name for text in files.values() for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)}
    for name in re.findall(r"`(test_\w+)`", PAGE):
        assert name in defined, f"docs/security.md names {name}, which is no test"
    for name in re.findall(r"(?:^|[/`])(test_\w+\.py)", PAGE):
        assert name in files, f"docs/security.md names {name}, which is not there"


def test_every_property_names_its_test_and_no_tier_claims_more_than_that_test_tries():
    walls = (ROOT / "tests" / "autograder" / "isolation" / "test_walls.py").read_text(encoding="utf-8")
    found = rows("### What each tier covers")
    assert len(found) > 25
    for name, strong, medium, none, _, test in found:
        assert (strong, medium) == ("yes", "yes"), name
        tests = re.findall(r"`(test_\w+)`", test)
        assert tests, f"{name}: no test"
        if none == "yes" and "strong, medium" not in test:
            assert not [each for each in tests if f"def {each}(" in walls], (
                f"{name}: its test does not run at tier none"
            )


def test_every_wall_that_is_tested_stands_on_the_page():
    for file in ("test_walls.py", "test_excess.py"):
        text = (ROOT / "tests" / "autograder" / "isolation" / file).read_text(encoding="utf-8")
        for name in re.findall(r"^def (test_(?!a_compiler)\w+)\(", text, re.MULTILINE):
            assert f"`{name}`" in PAGE, f"docs/security.md does not name {name}"
