"""What a person adds to our points stays, and nbgrader's own pages show both; one course, graded twice.

The instructor has put in a manually graded answer, a task, and a plugin that takes ten points a day.
"""

from __future__ import annotations

import csv
import datetime
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.autograder import nbgrader_course
from tests.autograder.nbgrader_course import Notebook, api, expected, grade_id, hand_in, released
from tests.autograder.report.pages import MARKS, look, start
from tests.autograder.samples import LAB
from tests.autograder.small_cluster import wait_for

pytest.importorskip("nbgrader")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SETTINGS = """
import math
from nbgrader.plugins import BasePlugin

class TenADay(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 10 * math.ceil(total_seconds_late / 86400)

c.AssignLatePenalties.plugin_class = TenADay
c.GradeSubmission.reuse = True
"""
DUE = datetime.datetime(2026, 11, 20, 12)
ANSWER, PRAISE = "Neighbouring threads share sectors.", "Well said, ada."


def cell(name: str, points: int, *, answer: bool) -> Notebook:
    """A cell that a person grades: an answer, or a task that may be answered by cells below it."""
    about = {"grade": answer, "solution": answer, "task": not answer, "locked": not answer, "schema_version": 3}
    about |= {"grade_id": name, "points": points}
    return {"cell_type": "markdown", "id": name, "source": f"Explain {name}.", "metadata": {"nbgrader": about}}


def by_an_instructor(course: Path) -> None:
    path = course / "source" / LAB / f"{LAB}.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"] += [cell("sectors", 5, answer=True), cell("profile", 3, answer=False)]
    path.write_text(json.dumps(notebook))
    with (course / "nbgrader_config.py").open("a") as settings:
        settings.write(SETTINGS)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ada has lost points, bob was two days late and has deleted what a person grades."""
    from nbgrader.api import Gradebook

    with nbgrader_course.made(tmp_path_factory.mktemp("course"), by_an_instructor) as folder:
        with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
            gradebook.update_or_create_assignment(LAB, duedate=DUE)
        ada, bob = released(folder), released(folder)
        next(each for each in ada["cells"] if grade_id(each) == "sectors")["source"] = ANSWER
        bob["cells"] = [each for each in bob["cells"] if grade_id(each) not in ("sectors", "profile")]
        stamp = folder / "submitted" / "bob" / LAB / "timestamp.txt"
        stamp.parent.mkdir(parents=True)
        stamp.write_text(f"{DUE + datetime.timedelta(days=1, hours=3)} UTC")
        for student, notebook in (("half", ada), ("bob", bob)):
            done = hand_in(folder, student, notebook)
            assert done["success"], done["log"]
        yield folder


def grades(course: Path, student: str) -> dict[str, tuple[float | None, float | None, bool]]:
    """Automatic points, a person's, and whether a person should look, by cell."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        found = gradebook.find_submission(LAB, student).notebooks[0].grades
        return {each.name: (each.auto_score, each.manual_score, bool(each.needs_manual_grade)) for each in found}


def comments(course: Path, student: str) -> set[str]:
    """What a person has written."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {str(each.manual_comment) for each in gradebook.find_submission(LAB, student).notebooks[0].comments}


def exported(course: Path) -> dict[str, dict[str, str]]:
    """The rows of nbgrader's own export, by student."""
    from nbgrader.api import Gradebook
    from nbgrader.plugins import CsvExportPlugin

    table = course / "grades.csv"
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        CsvExportPlugin(to=str(table)).export(gradebook)
    return {row["student_id"]: row for row in csv.DictReader(table.read_text().splitlines())}


def test_a_persons_points_and_words_survive_the_next_grading_and_so_does_the_penalty(course: Path) -> None:
    from nbgrader.api import Gradebook

    before = grades(course, "half")
    assert before["sectors"] == (None, None, True)
    assert before["profile"] == (None, None, True)
    assert {name: each[0] for name, each in grades(course, "bob").items() if each[2]} == {"profile": None}
    assert grades(course, "bob")["sectors"] == (0, None, False)  # it came back as released: nothing was written
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for name, points in (("sectors", 4), ("profile", 3), ("check_conv_first", 20)):
            grade = gradebook.find_grade(name, LAB, LAB, "half")
            grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.find_comment("sectors", LAB, LAB, "half").manual_comment = PRAISE
        gradebook.db.commit()

    for student in ("half", "bob"):
        assert api(course).autograde(LAB, student)["success"]

    after = grades(course, "half")
    assert {name: each[1] for name, each in after.items() if each[1] is not None} == {
        "sectors": 4,
        "profile": 3,
        "check_conv_first": 20,
    }
    ours = {name.removeprefix("check_"): each[0] for name, each in after.items() if name.startswith("check_")}
    assert ours == expected("half")
    rows = exported(course)
    kept = sum(expected("half").values()) - expected("half")["conv_first"] + 20 + 4 + 3
    assert (float(rows["half"]["score"]), float(rows["half"]["late_submission_penalty"] or 0)) == (kept, 0)
    late = sum(expected("bob").values())
    assert [float(rows["bob"][name]) for name in ("raw_score", "late_submission_penalty", "score")] == [
        late,
        20,
        late - 20,
    ]

    done = api(course).generate_feedback(LAB, "half")
    assert done["success"], done["log"]
    page = (course / "feedback" / "half" / LAB / f"{LAB}.html").read_text("utf-8")
    for text in (PRAISE, ANSWER, "12 of 96 outputs differ", "isolation: strong"):
        assert text in page


@pytest.fixture(scope="module")
def server(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Jupyter's server with formgrader, as an instructor starts it in the course folder; its address."""
    home, token = tmp_path_factory.mktemp("home"), secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"ip": "127.0.0.1", "port": port, "port_retries": 0, "open_browser": False, "allow_root": True}
    settings["jpserver_extensions"] = {"nbgrader.server_extensions.formgrader": True}
    (home / "jupyter_server_config.json").write_text(
        json.dumps({"ServerApp": settings, "IdentityProvider": {"token": token}})
    )
    environment = os.environ | {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home)}
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server"], cwd=course, env=environment, stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}/formgrader{{}}?token={token}"
    finally:
        process.kill()
        process.wait()


def asked(server: str, what: str) -> Any:
    """What formgrader answers its own pages; waits for the server to start."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(server.format(f"/api/{what}"), timeout=20) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError("formgrader does not answer")


def shows(browser: Any, page: str, text: str) -> None:
    """Opens a page and waits until a text is in sight."""
    look(browser, page, 1280, 1000)
    wait_for(lambda: text in browser.find_element("tag name", "body").text, 60, f"{text!r} is not shown")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.mark.chromium
@MARKS[1]
def test_formgraders_pages_show_our_reasons_and_keep_what_is_typed_there(
    course: Path, server: str, browser: Any
) -> None:
    found = {each["student"]: each for each in asked(server, f"submitted_notebooks/{LAB}/{LAB}")}
    shows(browser, server.format(""), LAB)
    shows(browser, server.format(f"/gradebook/{LAB}/{LAB}"), f"{sum(expected('bob').values()):g} / 100")
    assert browser.get_log("browser") == []

    shows(browser, server.format(f"/submissions/{found['half']['id']}"), "12 of 96 outputs differ")
    assert "isolation: strong" in browser.find_element("tag name", "body").text
    box = browser.find_element("id", "check_conv_first")
    wait_for(lambda: box.get_attribute("placeholder") == f"{expected('half')['conv_first']:g}", 20, "no score there")
    from selenium.webdriver import Keys

    for name, typed in (("sectors", "2.5"), ("sectors-comment", "Seen in the browser.")):
        field = browser.find_element("id", name)
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.clear()
        field.send_keys(typed, Keys.TAB)
    wait_for(lambda: grades(course, "half")["sectors"][1] == 2.5, 20, "the score is not kept")
    wait_for(lambda: "Seen in the browser." in comments(course, "half"), 20, "the comment is not kept")

    shows(browser, server.format(f"/manage_submissions/{LAB}"), "bob")
    row = next(row for row in browser.find_elements("css selector", "tbody tr") if "half" in row.text)
    row.find_element("css selector", ".autograde a").click()
    wait_for(lambda: "Success" in browser.find_element("tag name", "body").text, 120, "not autograded")
    assert grades(course, "half")["sectors"][1] == 2.5
    assert "Seen in the browser." in comments(course, "half")
    assert grades(course, "half")["check_conv_first"][0] == expected("half")["conv_first"]
