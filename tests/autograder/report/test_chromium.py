"""The pages in a real browser, at desktop and phone width, light and dark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autograder.report import write
from autograder.report.similar import similar_html
from autograder.result import Figure, Status
from autograder.similarity import pairs
from tests.autograder.report.pages import FAINT, MARKS, SIZES, assert_sound, look
from tests.autograder.samples import item, png, result
from tests.autograder.test_similarity import PLAIN, made

pytestmark = MARKS


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A class with every status, and a submission that tries to break out of the page."""
    attack = "<script>console.error('ran')</script><img src=x onerror=console.error(1)>" + "w" * 500 + "\u202e"
    hostile = replace(
        result(attack, {"conv_first": Status.LOST, "roofline": Status.WITHHELD}),
        items=(
            item("conv_first", "exact", attack, 12, Status.LOST, reason=attack, hint=attack, evidence={attack: attack}),
        ),
        figures=(Figure("conv_first", attack, attack, png(3000, 20)),),
        device={attack: attack},
        notes=(attack, "x" * 1_000_000),
    )
    statuses = {"conv_first": Status.LOST, "conv_strided.close": Status.LOST, "roofline": Status.WITHHELD}
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write([result(), result("grace", statuses), hostile], path, "Lab 1").as_uri()


@pytest.fixture(scope="module")
def similar(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three copies, one with a long line and markup in it."""
    attack = PLAIN + f"\nname = '<img src=x onerror=console.error(1)>{'w' * 400}'\n"
    found = pairs([made("ada", PLAIN), made("<script>console.error(1)</script>", attack), made("grace", attack)])
    path = tmp_path_factory.mktemp("similar") / "similar.html"
    path.write_text(similar_html(found, "Lab 1", 3), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_console_error_no_overflow_all_text_in_sight(browser: Any, page: str, width: int, height: int) -> None:
    assert_sound(browser, page, width, height)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_similar_code_is_in_sight_and_stays_text(browser: Any, similar: str, width: int, height: int) -> None:
    assert_sound(browser, similar, width, height)
    assert browser.execute_script("return document.querySelectorAll('.code li.shared').length") > 10
    marked = "return [...document.querySelectorAll('li.shared .mark')].every(m => m.textContent.startsWith('='))"
    assert browser.execute_script(marked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["page", "similar"])
def test_text_stands_out_from_its_ground(browser: Any, name: str, scheme: str, request: pytest.FixtureRequest) -> None:
    look(browser, request.getfixturevalue(name), 1280, 800, scheme)
    assert browser.execute_script(FAINT) == []


def test_style_and_pictures_are_allowed_by_the_pages_own_policy(browser: Any, page: str) -> None:
    look(browser, page, 1280, 800)
    assert browser.execute_script("return document.styleSheets.length") == 1
    assert browser.execute_script("return [...document.images].every(image => image.naturalWidth > 0)")
    assert browser.execute_script("return document.querySelectorAll('.bar rect').length") > 6


def test_a_name_leads_to_its_section(browser: Any, page: str) -> None:
    look(browser, page, 390, 844)
    browser.find_element("link text", "grace").click()
    top = browser.execute_script("return document.querySelector('#s2').getBoundingClientRect().top")
    assert browser.current_url.endswith("#s2")
    assert top < 844
