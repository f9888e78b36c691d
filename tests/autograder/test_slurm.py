"""A class on a real Slurm: the same table as without, whatever is lost on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder import class_jobs, slurm
from autograder.class_jobs import Cluster
from autograder.classroom import Session, find, grade_all
from autograder.result import Status
from autograder.store import Store, to_json
from gpulabs.errors import BadInputError, GraderError, MissingError
from tests.autograder import hostile, small_cluster
from tests.autograder.samples import LAB
from tests.autograder.small_cluster import made_up_grade

ROOT = Path(__file__).parents[2]
RUN = """
import sys
from pathlib import Path
from autograder import slurm
from autograder.class_jobs import Cluster
from autograder.classroom import Session, find, grade_all
from autograder.store import Store
from tests.autograder.small_cluster import made_up_grade

submitted, out, lab = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
with Store.writing(out) as store:
    elsewhere = Cluster(out, slurm.Wishes(flags={"cpus_per_task": "1"}))
    for done in grade_all(find(submitted, lab), Session(lab, store, grade=made_up_grade, elsewhere=elsewhere)):
        print(done.result.student, flush=True)
"""
LAB4 = "lab4_batch_size"
WRONG = ROOT / "tests" / "submissions" / "wrong" / LAB4 / "counts_compilation.py"
ONE_CORE = {"cpus_per_task": "1"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[small_cluster.Cluster]:
    with small_cluster.running(tmp_path_factory.mktemp("slurm") / "cluster") as started:
        yield started


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_jobs, "LATE_S", 1.0)
    monkeypatch.setattr(class_jobs, "ASK_S", 0.5)


def hand_in(folder: Path, **does: str) -> Path:
    """Submissions for `made_up_grade`."""
    folder.mkdir()
    for student, do in does.items():
        told = {"tries": str(folder.parent / "tries"), "do": do, "for": str(folder.parent / "go")}
        (folder / f"{student}.ipynb").write_text(json.dumps(told))
    return folder


def tries(tmp_path: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in (tmp_path / "tries").read_text().splitlines())


def table(out: Path) -> list[dict[str, object]]:
    """Everything but the dates."""
    return [to_json(replace(result, started_at="", duration_s=0.0)) for result in Store(out).newest_of_all(LAB)]


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.usefixtures("_impatient")
def test_a_lost_node_costs_only_what_ran_there(cluster: small_cluster.Cluster, tmp_path: Path) -> None:
    entries = find(hand_in(tmp_path / "in", ada="", bob="wait", cleo="", dan="", eve="wait", fay=""), LAB)
    assert slurm.has_gpus()
    wishes = slurm.Wishes(at_a_time=2, gpu=True, flags=ONE_CORE)
    with Store.writing(tmp_path / "out") as store:
        session = Session(LAB, store, grade=made_up_grade, elsewhere=Cluster(tmp_path / "out", wishes))
        stream = grade_all(entries, session)
        assert {next(stream).result.student, next(stream).result.student} == {"ada", "dan"}
        small_cluster.wait_for(lambda: tries(tmp_path).total() == 4, 20, "two are not being graded")
        cluster.lose_node()
        (tmp_path / "go").touch()
        cluster.start_node()
        rest = {done.result.student for done in stream}
    assert rest == {"bob", "cleo", "eve", "fay"}
    assert tries(tmp_path) == {"ada": 1, "bob": 2, "cleo": 1, "dan": 1, "eve": 2, "fay": 1}
    lines = [line.split() for line in (tmp_path / "tries").read_text().splitlines()]
    assert {gpu for _, gpu, _ in lines} == {"0", "1"}  # each job has one
    assert [restarts for student, _, restarts in lines if student == "bob"] == ["0", "1"]
    assert not (tmp_path / "out" / ".slurm" / LAB).exists()
    with Store.writing(tmp_path / "here") as store:
        list(grade_all(entries, Session(LAB, store, grade=made_up_grade)))
    assert table(tmp_path / "out") == table(tmp_path / "here")


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.usefixtures("cluster", "_impatient")
def test_who_ends_the_job_is_withheld_and_alone_in_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_jobs, "MOST_TRIES", 2)
    entries = find(hand_in(tmp_path / "in", ada="", bob="die", cleo=""), LAB)
    (tmp_path / "in" / "dan.ipynb").symlink_to("ada.ipynb")
    entries = find(tmp_path / "in", LAB)
    with Store.writing(tmp_path / "out") as store:
        elsewhere = Cluster(tmp_path / "out", slurm.Wishes(flags=ONE_CORE))
        list(grade_all(entries, Session(LAB, store, grade=made_up_grade, elsewhere=elsewhere)))
        found = {result.student: result for result in store.newest_of_all(LAB)}
    assert sorted(found) == ["ada", "bob", "cleo", "dan"]
    assert {item.status for item in found["bob"].items} == {Status.WITHHELD}
    assert "its Slurm job ended 2 times without a result (FAILED)" in found["bob"].items[0].reason
    assert found["ada"].points == found["cleo"].points == 91
    assert "a link, not a file" in found["dan"].items[0].reason
    assert tries(tmp_path) == {"ada": 1, "bob": 2, "cleo": 1}


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.usefixtures("cluster", "_impatient")
def test_a_killed_run_takes_what_its_jobs_have_finished(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", ada="", bob="wait", cleo="")
    out = tmp_path / "out"
    command = [sys.executable, "-c", RUN, str(folder), str(out), LAB]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ada\n"
        small_cluster.wait_for(lambda: tries(tmp_path)["bob"] == 1, 20, "the second is not being graded")
        run.kill()
    (tmp_path / "go").touch()
    small_cluster.wait_for(lambda: len(list(out.glob(".slurm/*/*/out/*.json"))) == 3, 20, "the job does not go on")
    with Store.writing(out) as store:
        elsewhere = Cluster(out, slurm.Wishes(flags=ONE_CORE))
        session = Session(LAB, store, grade=made_up_grade, elsewhere=elsewhere)
        kept = {done.result.student: done.kept for done in grade_all(find(folder, LAB), session)}
        assert {len(store.history(LAB, student)) for student in kept} == {1}
    assert kept == {"ada": True, "bob": False, "cleo": False}
    assert tries(tmp_path) == {"ada": 1, "bob": 1, "cleo": 1}
    assert slurm.active(slurm.name_of(out / ".slurm" / LAB)) == []


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.usefixtures("cluster")
def test_the_command_really_grades_on_slurm(tmp_path: Path) -> None:
    """A lab of plain functions, which takes seconds; that a class's table is the same, `benchmarks.class_run` shows."""
    example = hostile.hand_in(WRONG, tmp_path / "in", "ada")
    (tmp_path / "in" / "bob" / LAB4).mkdir(parents=True)
    (tmp_path / "in" / "bob" / LAB4 / f"{LAB4}.ipynb").write_text("<!DOCTYPE html>")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "autograder.cli", "grade", LAB4, "--submissions", "in", "--out", "out"]
    command += ["--executor", "slurm", "--sbatch", "cpus-per-task=1"]
    run = subprocess.run(command, stderr=subprocess.PIPE, env=environment, cwd=tmp_path, timeout=240)
    assert run.returncode == 0, run.stderr
    ada, bob = Store(tmp_path / "out").newest_of_all(LAB4)
    lost = {f"{item.task}.{item.item}" for item in ada.items if item.status is Status.LOST}
    assert lost == set(example.loses)
    assert sum(item.status is Status.EARNED for item in ada.items) > 10
    assert {item.status for item in bob.items} == {Status.LOST}


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.usefixtures("cluster")
def test_what_slurm_refuses_is_a_sentence(tmp_path: Path) -> None:
    entries = find(hand_in(tmp_path / "in", ada=""), LAB)
    elsewhere = Cluster(tmp_path / "out", slurm.Wishes(flags={"partition": "none"}))
    with pytest.raises(GraderError, match="Slurm refused the jobs: .*Invalid partition"):
        list(grade_all(entries, Session(LAB, grade=made_up_grade, elsewhere=elsewhere)))


def test_a_cluster_ends_when_its_tests_are_killed(tmp_path: Path) -> None:
    """Sleepers stand for a daemon and for a job; what waits for our end has it at the other end of its pipe."""
    sleep = shutil.which("sleep")
    assert sleep
    shutil.copy(sleep, tmp_path / "munged")
    of_a_job = {"SLURM_JOB_ID": "1", "SLURM_CONF": str(tmp_path / "slurm.conf")}
    started = [
        subprocess.Popen([tmp_path / "munged", "60"], start_new_session=True),
        subprocess.Popen([sleep, "60"], env=os.environ | of_a_job, start_new_session=True),
        subprocess.Popen([sleep, "60"], start_new_session=True),
    ]
    try:
        small_cluster.bury_after_us(tmp_path).communicate(timeout=60)  # closes the pipe, as any death does
        assert [process.poll() for process in started] == [-signal.SIGKILL, -signal.SIGKILL, None]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_options_of_sbatch_are_read() -> None:
    assert slurm.flags(["partition=gpu", "--gpus-per-node=a100:1"]) == {
        "partition": "gpu",
        "gpus_per_node": "a100:1",
    }
    for text in ("partition", "=gpu", "a b=c", "partition=gpu\n#SBATCH --mail-user=x"):
        with pytest.raises(BadInputError, match="KEY=VALUE"):
            slurm.flags([text])


def test_without_slurm_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match="sbatch is not here"):
        slurm.require()
