"""CSV for the platforms: what their imports make of it; nobody gets another one's grade, nothing undecided a zero."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autograder.export import export
from autograder.gradebook import read_roster
from autograder.result import Result, Status
from gpulabs.errors import BadInputError
from tests.autograder import importers
from tests.autograder.samples import result

NOT_TIMED = {"conv_coalesced.speed": Status.EARNED, "conv_coalesced.cpu": Status.EARNED}
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,lab1 conv_first (901),lab1 conv_strided (902),Current Score\n"
    ",,,,,Manual Posting,,\n"
    "    Points Possible,,,,,20,25,(read only)\n"
    '"Lovelace, Ada",11,s1,ada@uni.example,GPU,,7,12\n'
    '"Doe, Jane",12345,s2,jdoe@uni.example,GPU,3,,\n'
    '"Doe, Jane",12346,s3,jane@uni.example,GPU,,,\n'
    '"=HYPERLINK(1)",14,s4,grace@uni.example,GPU,,,\n'
)
MOODLE = (
    "First name,Last name,ID number,Email address,lab1 conv_first (Real),Last downloaded from this course\n"
    "Ada,Lovelace,1,ada@uni.example,-,1\n"
    "Jane,Doe,2,jdoe@uni.example,12.00,1\n"
    "José,Ortega,3,jose@uni.example,-,1\n"
)
WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade\n"
    "Participant 4711,Jane Doe,jdoe@uni.example,Submitted,-\n"
    "Participant 4712,Jane Doe,jane@uni.example,Submitted,-\n"
)
BLACKBOARD = (
    '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"lab1 conv_first [Total Pts: 20 Score] |770001"\n'
    '"Lovelace"\t"Ada"\t"ada"\t"1"\t"Needs Grading"\n'
    '"Doe"\t"Jane"\t"jdoe"\t"2"\t"5"\n'
)


def graded(student: str, **statuses: Status) -> Result:
    return result(student, {**NOT_TIMED, **statuses})


def saved(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_canvas_finds_students_of_its_own_archive_by_their_number() -> None:
    made = export([graded("doejane_12345"), graded("grace", conv_first=Status.LOST)], "canvas")
    grades, worth = importers.canvas(made.text, {"12345": "Jane Doe", "14": "Grace"}, {"grace": "14"})
    assert set(grades) == {"12345", "14"}
    assert (grades["12345"]["lab1 conv_first"], grades["14"]["lab1 conv_first"]) == ("20", "0")
    assert worth == {
        "lab1 conv_first": "20",
        "lab1 conv_strided": "25",
        "lab1 launch_config": "15",
        "lab1 conv_coalesced": "25",
        "lab1 roofline": "15",
    }
    assert any("taken for Canvas's own" in remark and "doejane_12345" in remark for remark in made.remarks)


def test_canvas_with_its_roster_keeps_columns_names_and_what_is_not_decided(tmp_path: Path) -> None:
    undecided = {"conv_strided": Status.PENDING, "conv_first": Status.WITHHELD}
    results = [graded("ada", **undecided), graded("jdoe", **undecided), graded("grace")]
    made = export(results, "canvas", saved(tmp_path, CANVAS))
    grades, worth = importers.canvas(made.text, {"11": "", "12345": "", "12346": "", "14": ""}, {})
    assert set(grades) == {"11", "12345", "14"}
    assert grades["11"]["lab1 conv_strided (902)"] == "7"  # an empty cell would clear it
    assert "lab1 conv_first (901)" not in grades["11"]
    assert grades["12345"]["lab1 conv_first (901)"] == "3"
    assert grades["14"]["lab1 conv_first (901)"] == "20"
    assert worth["lab1 conv_first (901)"] == "20"
    assert any("conv_first 2" in remark and "keep what the roster has" in remark for remark in made.remarks)


@pytest.mark.parametrize(
    ("student", "number"),
    [("ada", "11"), ("ADA@uni.example", "11"), ("s3", "12346"), ("14", "14"), ("doejane_12345", "12345")],
)
def test_a_student_is_found_by_login_address_or_number(tmp_path: Path, student: str, number: str) -> None:
    roster = read_roster(saved(tmp_path, CANVAS), "canvas")
    (at,) = roster.find(student)
    assert roster.rows[at]["ID"] == number


def test_nobody_gets_the_grade_of_a_namesake(tmp_path: Path) -> None:
    made = export([graded("Doe, Jane"), graded("ada"), graded("nobody")], "canvas", saved(tmp_path, CANVAS))
    grades, _ = importers.canvas(made.text, {"11": "", "12345": "", "12346": ""}, {})
    assert set(grades) == {"11"}
    assert "fits several in the roster, so not exported: Doe, Jane" in made.remarks
    assert "not in the roster, so not exported: nobody" in made.remarks


def test_two_results_of_one_student_are_left_to_a_person(tmp_path: Path) -> None:
    made = export([graded("ada"), graded("lovelaceada_11"), graded("jdoe")], "canvas", saved(tmp_path, CANVAS))
    grades, _ = importers.canvas(made.text, {"11": "", "12345": ""}, {})
    assert set(grades) == {"12345"}
    assert any(remark.startswith("several results fit one student") for remark in made.remarks)


def test_moodle_has_a_dash_where_nothing_is_decided_and_keeps_what_is_there(tmp_path: Path) -> None:
    results = [graded("Jane Doe_4711", conv_first=Status.PENDING), graded("ada"), graded("Jose\u0301 Ortega_9")]
    made = export(results, "moodle", saved(tmp_path, MOODLE))
    users = {"ada@uni.example", "jdoe@uni.example", "jose@uni.example"}
    grades = importers.moodle(made.text, users, "Email address")
    assert set(grades) == users
    assert grades["jdoe@uni.example"]["lab1 conv_first (Real)"] == "12.00"
    assert grades["ada@uni.example"]["lab1 conv_first (Real)"] == "20"
    empty = export(results, "moodle", saved(tmp_path, MOODLE.replace("12.00", "-")))
    assert "lab1 conv_first (Real)" not in importers.moodle(empty.text, users, "Email address")["jdoe@uni.example"]


def test_moodles_own_numbers_tell_namesakes_apart(tmp_path: Path) -> None:
    results = [graded("Jane Doe_4711"), graded("Jane Doe_4712", conv_first=Status.LOST)]
    made = export(results, "moodle", saved(tmp_path, WORKSHEET))
    grades = importers.moodle(made.text, {"jdoe@uni.example", "jane@uni.example"}, "Email address")
    assert [grades[who]["lab1 conv_first"] for who in ("jdoe@uni.example", "jane@uni.example")] == ["20", "0"]


def test_moodle_without_a_roster_warns_of_names_that_stop_its_import() -> None:
    made = export([graded("Jane Doe_4711"), graded("ada")], "moodle")
    assert any("no user name that moodle knows" in remark and "--roster" in remark for remark in made.remarks)
    assert importers.moodle(export([graded("ada")], "moodle").text, {"ada"}, "Username")["ada"]["lab1 conv_first"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_blackboard_finds_its_columns_by_their_number(tmp_path: Path, encoding: str) -> None:
    results = [graded("ada", conv_first=Status.WITHHELD), graded("jdoe", conv_first=Status.LOST)]
    made = export(results, "blackboard", saved(tmp_path, BLACKBOARD, encoding))
    assert importers.blackboard(made.text) == {"ada": {}, "jdoe": {"770001": "0"}}
    assert any("Blackboard will make 4 new text columns" in remark for remark in made.remarks)


def test_points_so_far_are_exported_only_if_asked_for() -> None:
    some = result("ada")  # the speed of conv_coalesced is pending
    cells = [importers.moodle(export([some], "moodle", None, so_far).text, {"ada"}, "Username") for so_far in (0, 1)]
    assert "lab1 conv_coalesced" not in cells[0]["ada"]
    assert cells[1]["ada"]["lab1 conv_coalesced"] == "16"
    withheld = export([graded("ada", conv_first=Status.WITHHELD)], "moodle", None, so_far=True)
    assert "lab1 conv_first" not in importers.moodle(withheld.text, {"ada"}, "Username")["ada"]


def test_hostile_names_stay_one_cell_and_no_formula() -> None:
    names = ['=HYPERLINK("http://x")', 'a,"b"\nc', "\u202eevil", "+1", "<script>"]
    for system in ("canvas", "blackboard"):
        lines = export([graded(name) for name in names], system).text.splitlines()
        assert len(lines) == len(names) + (2 if system == "canvas" else 1)
        assert not any(cell.lstrip('"').startswith(("=", "+")) for line in lines for cell in line.split(","))


@pytest.mark.parametrize(
    ("system", "text", "what"),
    [
        ("canvas", "a,b\n1,2\n", "not a gradebook that canvas exported"),
        ("canvas", "Student,ID,Points\nx,1,2\n", "no column Section"),
        ("moodle", "", "not a gradebook that moodle exported"),
        ("blackboard", "\x00\x00", "not a gradebook that blackboard exported"),
    ],
)
def test_a_roster_that_is_none_is_refused(tmp_path: Path, system: str, text: str, what: str) -> None:
    with pytest.raises(BadInputError, match=what):
        export([graded("ada")], system, saved(tmp_path, text))


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such system"):
        export([graded("ada")], "sakai")
    with pytest.raises(BadInputError, match="a roster goes with"):
        export([graded("ada")], "csv", tmp_path / "roster.csv")
    with pytest.raises(BadInputError, match="can't be read"):
        export([graded("ada")], "canvas", tmp_path / "none.csv")
    with pytest.raises(BadInputError, match="choose one with --lab"):
        export([graded("ada"), replace(graded("b"), lab="lab2_fast_conv")], "canvas")
