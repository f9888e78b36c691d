"""A record of a lab's corpus grows with each grading, goes on after a stop, and is ordered."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import grading
from gpulabs.errors import BusyError, GraderError

FILES = ("correct/lab/plain", "correct/lab/other", "wrong/lab/wrong_sum", "wrong/lab/breaks_us")


class Corpus:
    """Four submissions, what grading them ends in, and which were graded."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.graded, self.busy = folder, list[str](), {"plain"}
        for name in FILES:
            file = folder / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)

    def files(self, lab: str) -> list[Path]:
        return [self.folder / f"{name}.py" for name in FILES]

    def examine(self, lab: str, example: Path, notebook: Path, device: str) -> dict[str, Any]:
        self.graded.append(example.stem)
        if example.stem in self.busy:
            self.busy.discard(example.stem)
            raise BusyError("too busy")
        if example.stem == "breaks_us":
            raise GraderError("no more memory")
        return {
            "name": grading._name(example),
            "as_expected": True,
            "lost": [],
            "reasons": {},
            "duration_s": 1.0,
            "speed": {},
        }


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    made = Corpus(tmp_path)
    monkeypatch.setattr(grading, "rubric", SimpleNamespace(load=lambda lab: SimpleNamespace(id="lab")))
    monkeypatch.setattr(grading, "_corpus", made.files)
    monkeypatch.setattr(grading, "_notebook", lambda lab, file, work: file)
    monkeypatch.setattr(grading, "_whole_lab", lambda *arguments: None)
    monkeypatch.setattr(grading, "_examine", made.examine)
    monkeypatch.setattr(
        grading.record, "record", lambda name, command, found: {"device": {"name": "GPU 1"}, "benchmark": name, **found}
    )
    return made


def run(out: Path, *more: str) -> tuple[int, dict[str, Any]]:
    status = grading.main(["lab1", "--out", str(out), *more])
    return status, json.loads(out.read_text())


def test_a_run_goes_on_where_one_was_stopped(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    status, found = run(out, "--budget-s", "0")
    assert (status, corpus.graded, len(found["not_run"])) == (0, [], 4)

    status, found = run(out)
    # The busy one came again, alone; the one at which the grader failed is a surprise and stops nothing.
    assert corpus.graded == ["plain", "other", "wrong_sum", "breaks_us", "plain"]
    names = [each["name"] for each in found["corpus"]]
    assert names == ["correct/plain", "correct/other", "wrong/wrong_sum", "wrong/breaks_us"]
    assert (status, found["surprises"], found["not_run"]) == (1, ["wrong/breaks_us"], [])
    assert found["corpus"][3]["reasons"] == {"grader": "no more memory"}

    corpus.graded.clear()
    (tmp_path / "wrong/lab/wrong_sum.py").write_text("changed")
    run(out)
    assert corpus.graded == ["wrong_sum", "breaks_us"]


@pytest.mark.parametrize("earlier", ["another device's", "{", '{"corpus": [], "device": {}}', "[]"])
def test_a_record_of_another_device_or_none_is_begun_anew(corpus: Corpus, tmp_path: Path, earlier: str) -> None:
    out = tmp_path / "record.json"
    run(out)
    out.write_text(out.read_text().replace("GPU 1", "GPU 2") if "another" in earlier else earlier)
    corpus.graded.clear()
    run(out)
    assert len(corpus.graded) == 4


def test_each_grading_is_kept_at_once(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "record.json"

    def examine(lab: str, example: Path, notebook: Path, device: str) -> dict[str, Any]:
        if example.stem == "breaks_us":
            raise KeyboardInterrupt
        return corpus.examine(lab, example, notebook, device)

    corpus.busy.clear()
    monkeypatch.setattr(grading, "_examine", examine)
    with pytest.raises(KeyboardInterrupt):
        run(out)
    assert len(json.loads(out.read_text())["corpus"]) == 3
