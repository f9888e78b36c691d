import dataclasses
from pathlib import Path

import pytest

from autograder.calibration import record
from gpulabs import devices
from gpulabs.errors import DataError
from tests.autograder.calibration.samples import calibration, race


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine whose GPU is the one of the made-up calibration; returns where its file belongs."""
    header = dataclasses.replace(devices.header(), driver="580.1")
    monkeypatch.setattr(devices, "identity", lambda device=0: "GPU-1")
    monkeypatch.setattr(devices, "header", lambda device=0: header)
    monkeypatch.setattr(record, "fingerprints", lambda: {"naive": "aa", "new": "bb"})
    monkeypatch.delenv(record.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = record.location("GPU-1")
    assert path == tmp_path / "gpulabs" / "calibration" / "GPU-1.json"
    path.parent.mkdir(parents=True)
    return path


def test_file_gives_back_what_was_written(gpu: Path) -> None:
    gpu.write_text(record.to_text(calibration()))
    found, line = record.current()
    assert found == calibration()
    assert line == "calibrated 2026-11-25, 2 launches"


def test_without_a_file_there_is_a_word_and_no_error(gpu: Path) -> None:
    assert record.current() == (None, "not calibrated")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"uuid": "GPU-2"}, "another GPU"),
        ({"driver": "570.2"}, "driver 570.2, this is 580.1"),
        ({"ladder": {"naive": "old"}}, "the ladder changed since (naive)"),
        ({"ladder": {"gone": "aa"}}, "the ladder changed since (gone)"),
    ],
)
def test_calibration_of_another_machine_is_not_used(gpu: Path, change: dict[str, object], says: str) -> None:
    gpu.write_text(record.to_text(dataclasses.replace(calibration(), **change)))  # type: ignore[arg-type]
    found, line = record.current()
    assert found is None
    assert line.startswith("not calibrated: ")
    assert says in line
    assert "autograder calibrate" in line


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 9}', '{"schema_version": 1, "gpu": 3}'])
def test_damaged_file_never_stops_grading(gpu: Path, text: str) -> None:
    gpu.write_text(text)
    found, line = record.current()
    assert found is None
    assert str(gpu) in line
    with pytest.raises(DataError, match="autograder calibrate"):
        record.read(gpu)


def test_account_without_a_home_is_not_calibrated(gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert record.current() == (None, "not calibrated: Could not determine home directory.")


def test_variable_names_a_file_or_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(record.VARIABLE, str(tmp_path))
    assert record.location("GPU/1") == tmp_path / "GPU_1.json"
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "own.json"))
    assert record.location("GPU-1") == tmp_path / "own.json"


def test_race_finds_its_workload() -> None:
    assert calibration().of(race()) is not None
    assert calibration().of(dataclasses.replace(race(), workload="1x1")) is None
    assert calibration().of(dataclasses.replace(race(), baseline="tiled")) is None


def test_fingerprints_are_of_all_rungs() -> None:
    from autograder import ladder

    found = record.fingerprints()
    assert set(found) == set(ladder.NAMES)
    assert len(set(found.values())) == len(found)
