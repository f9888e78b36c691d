"""What a class hands in is found whatever form it has; what can't be graded says why, and stops nobody else."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from autograder import archives, handed_in
from autograder.handed_in import Entry, fit, whose
from gpulabs.errors import BadInputError
from tests.autograder.samples import LAB


def packed(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of files; a name may stand twice in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def of_class(tmp_path: Path, *files: tuple[str | zipfile.ZipInfo, bytes]) -> dict[str, tuple[Entry, bytes]]:
    """Student -> entry and the content of its notebook, of a class's archive."""
    path = tmp_path / "submissions.zip"
    path.write_bytes(packed(*files))
    with handed_in.opened(path, LAB) as entries:
        return {each.student: (each, each.notebook.read_bytes() if each.notebook else b"") for each in entries}


@pytest.mark.parametrize(
    ("name", "student", "file"),
    [
        ("doejane_12345_67890_lab1_conv_kernel-2.ipynb", "doejane_12345", "lab1_conv_kernel-2.ipynb"),
        ("doejane_LATE_12345_67890_my_lab.ipynb", "doejane_12345", "my_lab.ipynb"),
        ("Jane Doe_4711_assignsubmission_file_/sub/lab.ipynb", "Jane Doe_4711", "sub/lab.ipynb"),
        ("Jane_van Doe_4711_assignsubmission_file_lab.ipynb", "Jane_van Doe_4711", "lab.ipynb"),
        (f"submitted/ada/{LAB}/x.ipynb", "ada", "x.ipynb"),
        (f"{LAB}_grace.zip", "grace", f"{LAB}_grace.zip"),
        (f"ada/{LAB}.ipynb", "ada", f"{LAB}.ipynb"),
        ("class/Zoë.ipynb", "Zoë", "Zoë.ipynb"),
    ],
)
def test_the_place_says_whose_it_is(name: str, student: str, file: str) -> None:
    assert whose(name, LAB) == (student, file, "handed in late, says Canvas" if "LATE" in name else "")


@pytest.mark.parametrize("name", ["__MACOSX/._ada.ipynb", "notes.txt", ".DS_Store", "a/.ipynb"])
def test_what_nobody_handed_in_is_passed_over(name: str) -> None:
    assert whose(name, LAB) is None


@pytest.mark.parametrize("name", ["../../etc", "a/b", "nul\0", "\u202eevil", ".", "x" * 300, "\udcff", "  "])
def test_a_students_name_fits_a_file(name: str, tmp_path: Path) -> None:
    found = fit(name)
    (tmp_path / f"{found}.json").write_text("")
    assert not found.startswith(".")
    assert found == fit(name) != fit(name + "!")
    assert len(found.encode()) < 200


def test_names_that_are_fit_stay() -> None:
    assert [fit(name) for name in ("ada", "Jane Doe_12", "Zoë", "李")] == ["ada", "Jane Doe_12", "Zoë", "李"]


def test_canvas_download(tmp_path: Path) -> None:
    found = of_class(
        tmp_path,
        ("doejane_1_11_lab1.ipynb", b"jane"),
        ("roejohn_LATE_2_12_report.pdf", b"%PDF"),
        ("adalove_3_13_lab1_conv_kernel-1.ipynb", b"newer"),
        ("adalove_3_14_scratch.ipynb", b"scratch"),
        ("twofile_4_15_a.ipynb", b"a"),
        ("twofile_4_16_b.ipynb", b"b"),
    )
    assert found["doejane_1"] == (Entry("doejane_1", found["doejane_1"][0].notebook), b"jane")
    late = found["roejohn_2"][0]
    assert (late.notebook, late.remark) == (None, "handed in late, says Canvas")
    assert "no notebook was handed in, but report.pdf" in late.problem
    chosen, content = found["adalove_3"]
    assert content == b"newer"
    assert chosen.remark == "graded lab1_conv_kernel-1.ipynb, left out scratch.ipynb"
    assert "several files (a.ipynb, b.ipynb)" in found["twofile_4"][0].problem


def test_moodle_download_of_files_and_texts(tmp_path: Path) -> None:
    found = of_class(
        tmp_path,
        ("José Díaz_7_assignsubmission_file_/lab1.ipynb", b"jose"),
        ("Ann Lee_8_assignsubmission_onlinetext_/onlinetext.html", b"<p>"),
        ("Ann Lee_8_assignsubmission_file_/lab1.ipynb", b"ann"),
        ("Bo_9_assignsubmission_onlinetext_/onlinetext.html", b"<p>"),
    )
    assert found["José Díaz_7"][1] == b"jose"
    assert found["Ann Lee_8"][1] == b"ann"
    assert "online text, which is not graded" in found["Ann Lee_8"][0].remark
    assert "no notebook was handed in" in found["Bo_9"][0].problem


def note(user: str, name: str = "Jane Doe") -> bytes:
    """What Blackboard writes beside each attempt; below the first lines is the student's own text."""
    return f"Name: {name} ({user})\nAssignment: Lab 1\n\nSubmission Field:\nName: Ada (ada)\n".encode()


def test_blackboard_download(tmp_path: Path) -> None:
    first, last = "2026-11-19-08-00-00", "2026-11-20-23-58-07"
    found = of_class(
        tmp_path,
        (f"Lab_1_jdoe_attempt_{last}.txt", note("jdoe")),
        (f"Lab_1_jdoe_attempt_{last}_lab1.ipynb", b"jane"),
        (f"Lab_1_jane_roe_attempt_{first}_draft.ipynb", b"draft"),
        (f"Lab_1_jane_roe_attempt_{first}.txt", note("jane_roe")),
        (f"Lab_1_jane_roe_attempt_{last}_lab1_conv_kernel.ipynb", b"final"),
        (f"Lab_1_jane_roe_attempt_{last}_notes.pdf", b"%PDF"),
        (f"Lab_1_bo_attempt_{first}.txt", note("bo")),
        (f"Lab_1_eve_attempt_{last}_x_ada_attempt_{last}_lab1.ipynb", b"eve"),
        (f"Lab_1_eve_attempt_{last}.txt", note("ada", "Eve")),
        ("__MACOSX/._x", b""),
    )
    assert sorted(found) == ["bo", "eve", "jane_roe", "jdoe"]
    assert (found["jdoe"][1], found["jdoe"][0].remark) == (b"jane", "")
    assert found["jane_roe"][1] == b"final"
    assert found["jane_roe"][0].remark == (
        f"the attempt of {last} counts, 1 earlier is left out; graded lab1_conv_kernel.ipynb, left out notes.pdf"
    )
    assert "no notebook was handed in" in found["bo"][0].problem
    assert found["eve"][1] == b"eve"  # neither the file's name nor the note makes her ada


def test_a_file_named_as_blackboard_does_is_no_other_students(tmp_path: Path) -> None:
    found = of_class(
        tmp_path,
        ("eve_1_11_x_ada_attempt_2026-11-20-23-58-07_lab1.ipynb", b"eve"),
        ("ada_2_12_lab1.ipynb", b"ada"),
    )
    assert {student: content for student, (_, content) in found.items()} == {"eve_1": b"eve", "ada_2": b"ada"}


def test_names_without_a_word_on_their_encoding(tmp_path: Path) -> None:
    """Moodle before 4, and shells: UTF-8 that the archive doesn't declare."""
    raw = packed(("Jos__.ipynb", b"x")).replace(b"Jos__", "José".encode())
    assert b"Jos\xc3\xa9" in raw
    (tmp_path / "class.zip").write_bytes(raw)
    with handed_in.opened(tmp_path / "class.zip", LAB) as entries:
        assert [entry.student for entry in entries] == ["José"]


def test_what_gpulabs_submit_packs_is_unpacked(tmp_path: Path) -> None:
    own = packed((f"{LAB}.ipynb", b"ada"))
    assert of_class(tmp_path, (f"doe_1_2_{LAB}_doe.zip", own))["doe_1"][1] == b"ada"
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / f"{LAB}_ada.zip").write_bytes(own)
    with handed_in.opened(folder, LAB) as (entry,):
        assert (entry.student, entry.notebook.read_bytes()) == ("ada", b"ada")
        unpacked = entry.notebook
    assert not unpacked.exists()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (packed((f"../../{LAB}.ipynb", b"x")), "names a place outside itself"),
        (packed((f"/etc/{LAB}.ipynb", b"x")), "names a place outside itself"),
        (packed((f"..\\{LAB}.ipynb", b"x")), "names a place outside itself"),
        (packed((link(f"{LAB}.ipynb"), b"/etc/passwd")), "a link, not a file"),
        (packed((f"{LAB}.ipynb", b"0" * (21 * 2**20))), "unpacks to more than the 20 MiB"),
        (packed((f"{LAB}.ipynb", b"x"), method=zipfile.ZIP_LZMA), "packed in a way that is not read (method 14)"),
        (packed(*((f"{n}.ipynb", b"") for n in range(1001))), "an archive of more than 1000 files"),
        (packed(("notes.txt", b"x")), "an archive without a notebook"),
        (packed(("a.ipynb", b"x"), ("b.ipynb", b"x")), "several notebooks (a.ipynb, b.ipynb)"),
        (packed((f"{LAB}.ipynb", b"x" * 99))[:-40], "can't be read as a zip archive"),
        (packed((f"{LAB}.ipynb", b"x")).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
         "encrypted in the archive"),
        (b"not a zip", "can't be read as a zip archive"),
    ],
)  # fmt: skip
def test_a_bad_archive_is_its_students_loss_alone(tmp_path: Path, content: bytes, sentence: str) -> None:
    found = of_class(tmp_path, (f"doe_1_2_{LAB}.zip", content), ("ada_3_4_lab1.ipynb", b"ada"))
    entry, _ = found["doe_1"]
    assert (entry.notebook, entry.ours) == (None, False)
    assert sentence in entry.problem
    assert found["ada_3"][1] == b"ada"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_the_class_archive_that_are_not_read(tmp_path: Path) -> None:
    found = of_class(
        tmp_path,
        ("../../evil_1_2_lab1.ipynb", b"x"),
        (link("link_3_4_lab1.ipynb"), b"/etc/passwd"),
        ("twice_5_6_lab1.ipynb", b"1"),
        ("twice_5_6_lab1.ipynb", b"2"),
        ("ada_7_8_lab1.ipynb", b"ada"),
    )
    assert "a place outside itself" in found["evil_1"][0].problem
    assert "a link, not a file" in found["link_3"][0].problem
    assert "which one counts can't be told" in found["twice_5"][0].problem
    assert found["ada_7"][1] == b"ada"


def test_a_damaged_member_of_the_class_archive_is_not_the_students_fault(tmp_path: Path) -> None:
    raw = packed(("ada_1_2_lab1.ipynb", b"0123456789" * 9), method=zipfile.ZIP_STORED)
    (tmp_path / "class.zip").write_bytes(raw.replace(b"0123456789", b"0123456780", 1))
    with handed_in.opened(tmp_path / "class.zip", LAB) as (entry,):
        assert entry.ours
        assert "damaged in the archive" in entry.problem


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", packed(("a.ipynb", b"x"))[:-5]])
def test_an_archive_that_is_none_is_said_at_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "class.zip").write_bytes(content)
    with pytest.raises(BadInputError, match="download it again"), handed_in.opened(tmp_path / "class.zip", LAB):
        pass


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    with pytest.raises(BadInputError, match="holds 2 files, more than 1"):
        of_class(tmp_path, ("a.ipynb", b""), ("b.ipynb", b""))


def test_a_folder_may_hold_what_a_platform_gave(tmp_path: Path) -> None:
    (tmp_path / "Jane Doe_4_assignsubmission_file_").mkdir()
    (tmp_path / "Jane Doe_4_assignsubmission_file_" / "lab1.ipynb").write_bytes(b"jane")
    (tmp_path / "roe_1_2_lab1.ipynb").write_bytes(b"roe")
    with (tmp_path / "big_5_6_lab1.ipynb").open("wb") as file:
        file.truncate(21 * 2**20)
    found = {entry.student: entry for entry in handed_in.find(tmp_path, LAB)}
    assert sorted(found) == ["Jane Doe_4", "big_5", "roe_1"]
    assert found["roe_1"].notebook == tmp_path / "roe_1_2_lab1.ipynb"
    assert "21 MiB, more than the 20 MiB" in found["big_5"].problem


def test_a_linked_folder_in_nbgraders_layout_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ada" / LAB).mkdir(parents=True)
    (tmp_path / "ada" / LAB / f"{LAB}.ipynb").write_text("x")
    (tmp_path / "eve").symlink_to(tmp_path / "ada")
    found = {entry.student: entry for entry in handed_in.find(tmp_path, LAB)}
    assert found["ada"].notebook
    assert "a link, not a folder" in found["eve"].problem
