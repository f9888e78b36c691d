"""Attacks, really tried: each ends as its header says, and everything around it is as it was before.

Hostile code runs in the strong tier only: at tier *none* it would do to this machine what it is written to do.
"""

import re
import tempfile

import pytest

from autograder import isolation, planning
from autograder.classroom import Session, find, grade_all
from autograder.examples import read_example
from autograder.result import Status
from autograder.store import Store
from tests.autograder.hostile import FILES, LAB, ROOT, World, expected_losses, grade, hand_in, shown, told
from tests.test_docs import load_script

pytestmark = [pytest.mark.bubblewrap, pytest.mark.filterwarnings("ignore::RuntimeWarning")]
attack_table = load_script("attack_table")

BATCH = (
    "availability_kills", "availability_left_behind", "availability_other_students", "availability_fork_bomb",
    "harness_rewritten_modules", "harness_symlinks", "harness_html", "symlinked_notebook", "harness_forged_and_left",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A home, a class with an honest student, results; small limits, so that endless things end soon."""
    if isolation.tier().name != "strong":
        pytest.skip("hostile code runs in the strong tier only")
    made = World.made_in(tmp_path_factory.mktemp("world"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(made.root / "home"))
        patch.setattr(tempfile, "tempdir", str(made.root / "tmp"))
        patch.setattr(planning, "HOST_S", 2.0)
        patch.setattr(planning, "KERNEL_S", 3.0)
        patch.setattr(planning, "QUIET_S", 6.0)
        yield made


def attacks(gpu=False):
    chosen = [file for file in FILES if read_example(file).gpu or not gpu]
    return [pytest.param(file, id=file.stem) for file in chosen]


def assert_ends_as_it_says(file, world, device):
    student = f"mallory-{file.stem}"
    example = hand_in(file, World.class_of(world.root), student)

    result = grade(World.class_of(world.root), student, example.tasks, device)

    assert result.student == student
    assert not result.points_with(Status.WITHHELD), told(result)
    lost = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.LOST}
    waits = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.PENDING}
    reasons = "\n".join(item.reason for item in result.items if item.status is Status.LOST)
    if example.refused:
        assert result.points == 0, told(result)
        assert len(lost) == len(result.items)
        assert re.search(example.refused, reasons), told(result)
    else:
        assert lost == expected_losses(example, result, device) - waits, told(result)
        assert re.search(example.says, reasons), told(result)
    assert_nothing_escapes(result)
    assert world.harm() == []


def assert_nothing_escapes(*results):
    page, lines = shown(*results)
    for bad in ("<script", "<svg/onload", "<iframe", "<img src=x", "<h1>100"):
        assert bad not in page.lower()
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("file", attacks())
def test_an_attack_ends_as_its_header_says_and_harms_nothing(file, world):
    assert_ends_as_it_says(file, world, "simulator")


@pytest.mark.gpu
@pytest.mark.parametrize("file", attacks(gpu=True))
def test_an_attack_ends_as_its_header_says_on_a_gpu(file, world):
    assert_ends_as_it_says(file, world, "gpu")


def test_a_class_of_attackers_spares_the_honest_and_the_store(world, tmp_path):
    """Side by side and one after the other, kept in one store: the honest earn everything, first and last."""
    folder = tmp_path / "hostile-class"
    by_name = {file.stem: file for file in FILES}
    hand_in(ROOT / "tests" / "submissions" / "correct" / LAB / "plain.py", folder, "aaron")
    for name in BATCH:
        hand_in(by_name[name], folder, f"mallory-{name}")
    hand_in(ROOT / "tests" / "submissions" / "correct" / LAB / "right.py", folder, "zoe")
    (tmp_path / "earlier").write_text("earlier")
    options = {"tasks": ("launch_config", "conv_coalesced"), "device": "simulator", "pictures": False}

    with Store.writing(tmp_path / "results") as store:
        done = list(grade_all(find(folder, LAB), Session(LAB, store, jobs=2, options=options)))

    kept = {result.student: result for result in Store(tmp_path / "results").newest_of_all()}
    assert sorted(kept) == sorted(["aaron", "zoe", *(f"mallory-{name}" for name in BATCH)])
    assert {each.result.student: each.result.points for each in done} == {name: r.points for name, r in kept.items()}
    for name in ("aaron", "zoe"):
        assert {item.status for item in kept[name].items} <= {Status.EARNED, Status.PENDING}, told(kept[name])
    for name in BATCH:
        lost = [item for item in kept[f"mallory-{name}"].items if item.status is Status.LOST]
        assert lost, told(kept[f"mallory-{name}"])
    assert sorted(path.name for path in (tmp_path / "results").rglob("*.json")) == sorted(f"{n}.json" for n in kept)
    assert_nothing_escapes(*kept.values())
    assert world.harm() == []


def test_the_world_check_sees_harm(tmp_path):
    world = World.made_in(tmp_path)
    assert world.harm() == []

    (tmp_path / "home" / ".bashrc").write_text("changed")
    (tmp_path / "results" / "lab1" / "ada.json").unlink()
    (tmp_path / "tmp" / "gpulabs-left").mkdir()

    assert [line.split(":")[0] for line in world.harm()] == ["changed", "changed", "left"]


def test_every_attack_of_the_list_is_tried():
    tried = {example.attack for example in attack_table.corpus().values()}
    listed = {attack for attacks in attack_table.ATTACKS.values() for attack in attacks}

    assert tried == listed
    assert len(FILES) >= 70


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_header_says_attack_defence_and_one_end(file):
    example = read_example(file)

    assert example.title.endswith(".")
    assert example.attack
    assert example.defence
    assert sum(bool(end) for end in (example.loses, example.refused, example.harmless)) == 1
    assert example.tasks or example.refused


def test_the_table_of_attacks_is_current():
    assert attack_table.page() == attack_table.PAGE.read_text(encoding="utf-8"), "run: make attack-table"
