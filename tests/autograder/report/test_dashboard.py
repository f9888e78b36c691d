"""The class's page: a page for each student beside it, links that lead there, nothing of a submission runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from autograder.report.dashboard import dashboard_html, write_class
from autograder.result import Status
from gpulabs.errors import BadInputError
from tests.autograder.report.class_sample import ATTACK, class_of, hostile
from tests.autograder.report.pages import FAINT, MARKS, SIZES, assert_sound, look
from tests.autograder.samples import LAB, result

STUDENTS = 300


def test_each_student_has_a_page_and_numbers_and_the_links_lead_there(tmp_path: Path) -> None:
    names = ["ada", "Ä b#c?d%20", "../../escape", hostile().student]
    page = write_class([result(name) for name in names], tmp_path / "class").read_text("utf-8")
    links = set(re.findall(r'href="(students/[^"]+)"', page))
    assert len(links) == 4
    for link in links:
        path = tmp_path / "class" / unquote(link)
        assert path.is_file()
        assert json.loads(path.with_suffix(".json").read_text("utf-8"))["lab"] == LAB
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["class"]


def test_nothing_of_a_submission_is_markup() -> None:
    page = dashboard_html([*class_of(3), hostile()], {hostile().student: ATTACK})
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    assert "unsafe" not in page


def test_a_class_of_300_is_a_small_file() -> None:
    assert len(dashboard_html(class_of(STUDENTS)).encode()) < 2**20


def test_one_lab_at_a_time() -> None:
    with pytest.raises(BadInputError, match="found results of: none"):
        dashboard_html([])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A class of 300 on a GPU, one of them hostile, one that nobody has graded."""
    class_ = class_of(STUDENTS - 2)
    waiting = result("zoe_1", dict.fromkeys(("conv_first", "conv_strided"), Status.WITHHELD))
    return write_class([*class_, hostile(), waiting], tmp_path_factory.mktemp("class")).as_uri()


class TestInChromium:
    """The page in a real browser."""

    pytestmark = MARKS

    @pytest.mark.parametrize(("width", "height"), SIZES)
    def test_no_console_error_no_overflow_all_text_in_sight(self, browser: Any, page: str, width: int, height: int):
        assert_sound(browser, page, width, height)
        assert browser.execute_script("return document.querySelectorAll('.strip .kernel').length") > 10

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_stands_out_from_its_ground(self, browser: Any, page: str, scheme: str) -> None:
        look(browser, page, 1280, 800, scheme)
        assert browser.execute_script(FAINT) == []

    def test_the_table_is_searched_narrowed_and_sorted(self, browser: Any, page: str) -> None:
        look(browser, page, 390, 844)
        assert len(shown(browser)) == STUDENTS
        choose(browser, "#find", "RADIA_100")
        assert all(name.startswith("radia_100") for name in shown(browser))
        assert 0 < len(shown(browser)) < 20
        choose(browser, "#find", "")
        choose(browser, "#show", "open")
        assert "zoe_1" in " ".join(shown(browser))
        choose(browser, "#show", "")
        choose(browser, "#sort", "-total")
        totals = browser.execute_script(
            "return [...document.querySelectorAll('#table tbody tr')].map(r => +r.dataset.total)"
        )
        assert totals == sorted(totals, reverse=True)
        choose(browser, "#sort", "0")
        first = column(browser, "row.cells[1].dataset.v")
        assert first == sorted(first)
        assert browser.find_element("css selector", "#shown").text == f"{STUDENTS} students"

    def test_a_name_opens_the_students_page(self, browser: Any, page: str) -> None:
        look(browser, page, 1280, 800)
        browser.execute_script("document.querySelector('#table tbody a').click()")
        assert "/students/" in browser.current_url
        assert browser.execute_script("return document.querySelectorAll('.task').length") == 5

    def test_states_are_told_apart_without_colour(self, browser: Any, page: str) -> None:
        look(browser, page, 1280, 800)
        textures = """
        const of = name => getComputedStyle(document.querySelector(name)).fill;
        return [of('.thin .texture.lost'), of('.bin .texture.pending')];
        """
        assert all(fill.startswith("url(") for fill in browser.execute_script(textures))
        words = """
        return [...document.querySelectorAll(".board .score")]
          .every(score => !score.querySelector(".icon") || score.querySelector(".sr").textContent.trim());
        """
        assert browser.execute_script(words)


def shown(browser: Any) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('#table tbody tr:not([hidden])')].map(r => r.cells[0].textContent.trim())"
    )


def column(browser: Any, value: str) -> list[float]:
    """Numbers of all rows, as they are ordered."""
    rows = "[...document.querySelectorAll('#table tbody tr')]"
    return browser.execute_script(f"return {rows}.map(row => Number({value}))")


def choose(browser: Any, control: str, value: str) -> None:
    browser.execute_script(
        "const c = document.querySelector(arguments[0]); c.value = arguments[1]; c.dispatchEvent(new Event('input'));",
        control,
        value,
    )
