"""The page in a real browser, at desktop and phone width, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from autograder.report import write
from autograder.result import Figure, Status
from tests.autograder.samples import item, png, result

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on PATH"),
]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = [pytest.param(1280, 800, id="desktop"), pytest.param(390, 844, id="phone")]

OUT_OF_SIGHT = """
const lost = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || element.closest("style, .sr, .defs, .board thead, .task-name")) continue;
  const range = document.createRange();
  range.selectNodeContents(walk.currentNode);
  const box = range.getBoundingClientRect();
  const style = getComputedStyle(element);
  const seen = box.width > 0 && box.height > 0 && box.left >= -0.5 && box.right <= innerWidth + 0.5
    && style.visibility === "visible" && style.opacity !== "0" && style.color !== style.backgroundColor;
  if (!seen) lost.push(walk.currentNode.data.trim().slice(0, 60));
}
return lost;
"""

FAINT = """
function channels(color) { return color.match(/[\\d.]+/g).map(Number); }
function luminance([r, g, b]) {
  const part = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
}
function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const color = channels(getComputedStyle(e).backgroundColor);
    if (color.length < 4 || color[3] > 0) return color;
  }
  return [255, 255, 255];
}
const faint = [];
for (const element of document.querySelectorAll("body *:not(svg):not(svg *)")) {
  if (![...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || element.closest(".sr")) continue;
  const pair = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < 4.5) faint.push(`${element.className || element.tagName}: ${contrast.toFixed(2)}`);
}
return [...new Set(faint)];
"""


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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


def look(browser: Any, page: str, width: int, height: int, scheme: str = "light") -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_console_error_no_overflow_all_text_in_sight(browser: Any, page: str, width: int, height: int) -> None:
    look(browser, page, width, height)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(OUT_OF_SIGHT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Any, page: str, scheme: str) -> None:
    look(browser, page, 1280, 800, scheme)
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
