"""One headless Chromium for each module of page tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.autograder.report.pages import start


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()
