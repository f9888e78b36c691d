"""What the tests of pages share: a headless Chromium, sizes, and what no page may do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MARKS = [
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
  if (!walk.currentNode.data.trim()) continue;
  if (element.closest("style, script, option, .sr, .defs, .board thead, .task-name")) continue;
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


def start(profile: Path) -> Any:
    """Starts one headless Chromium with a profile of its own; `quit()` ends it."""
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))


def look(browser: Any, page: str, width: int, height: int, scheme: str = "light") -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page)


def assert_sound(browser: Any, page: str, width: int, height: int) -> None:
    """No console error, no overflow, all text in sight."""
    look(browser, page, width, height)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(OUT_OF_SIGHT) == []
