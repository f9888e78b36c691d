"""The training stage: what is refused, how the small run follows a plan, and that labels stay out of the process."""

import dataclasses
import json
import os

import numpy as np
import pytest

from autograder import rubric, training_stage
from autograder.cases import draw
from autograder.evidence import Fault, FaultKind, Plan, PlanSet
from autograder.training_stage import declared, train_task
from gpulabs import data
from gpulabs.augmentation import Augmentation
from gpulabs.data import Split
from gpulabs.declared import LAB_NETWORK, read_plan
from gpulabs.declared import Plan as TrainingPlan
from gpulabs.errors import GraderError
from gpulabs.trial import enlarged, small

RECIPE = rubric.load("lab6").task("recipe")
CASES = draw(rubric.load("lab6"), 1, "simulator", ["recipe"])
LAYERS = LAB_NETWORK.plain()
GOOD = {"schedule": {"name": "cosine", "rate": 0.004}, "augmentation": {"shift": 2}}


def plans(network=LAYERS, plan=GOOD, last=None):
    """What the worker reports of a task whose functions returned these."""
    values = [network if case.function == "network" else plan for case in CASES]
    values[-1] = values[-1] if last is None else last
    return PlanSet("recipe", plans=tuple(Plan(case.id, value=value) for case, value in zip(CASES, values, strict=True)))


def stage(tmp_path, given=None, where="simulator"):
    return train_task(RECIPE, CASES, given or plans(), tmp_path / "train", where, 1)


def test_a_network_and_a_plan_are_read():
    refused, network, plan = declared(CASES, plans())

    assert refused is None
    assert network == LAB_NETWORK
    assert plan.augmentation == Augmentation(shift=2)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (plans(network=LAYERS[:-2] + LAYERS[-1:]), None),  # dropout has no parameters
        (plans(network=[*LAYERS[:11], {**LAYERS[11], "units": 256}, *LAYERS[12:]]), "expected 1,253,290"),
        (plans(network="keras"), "expected a list"),
        (plans(plan={**GOOD, "epochs": 21}), "asks for 21 epochs"),
        (plans(plan={**GOOD, "batch_size": 0}), "batch_size"),
        (plans(last={**GOOD, "label_smoothing": 0.1}), "another value when it was called again"),
    ],
)
def test_what_is_no_recipe_is_refused_with_a_sentence(tmp_path, given, says):
    refused, network, _ = declared(CASES, given)

    assert (network is None) == (says is not None)
    assert says is None or says in refused.message
    assert says is None or not (tmp_path / "train").exists()


def test_a_function_without_an_answer_is_left_to_its_own_fault(tmp_path):
    found = stage(tmp_path, PlanSet("recipe", faults=(Fault(FaultKind.NOT_ATTEMPTED, "not written yet"),)))

    assert not found.trainings
    assert found.refused is None


def test_the_small_run_follows_the_plan_in_small():
    plan = read_plan({**GOOD, "precision": "mixed_float16", "augmentation": {"flip": True, "shift": 5, "cutout": 8}})

    network, followed = small(LAB_NETWORK, plan)

    assert followed.schedule == plan.schedule
    assert (followed.epochs, followed.batch_size, followed.precision) == (4, 20, "float32")
    assert followed.augmentation == Augmentation(shift=2, cutout=4)
    assert network.image_shape == (16, 16, 3)
    assert {layer.momentum for layer in network.layers if hasattr(layer, "momentum")} == {0.9}


def test_digits_keep_their_levels():
    images = enlarged(np.array([0, 8, 16], np.uint8).reshape(1, 1, 3, 1))

    assert images.shape == (1, 2, 6, 3)
    assert images[0, 0, :, 0].tolist() == [0, 0, 128, 128, 255, 255]


def test_what_can_t_be_trained_on_here_waits_with_a_reason(data_folder):
    assert training_stage.obstacle("digits", "simulator") == ""
    assert "Needs a GPU" in training_stage.obstacle("cifar10", "simulator")
    assert "gpulabs data fetch cifar10" in training_stage.obstacle("cifar10", "gpu")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("mode", "is_open"), [(0o755, False), (0o775, False), (0o777, True), (0o1777, False)])
def test_images_that_others_can_change_are_not_trained_on(monkeypatch, tmp_path, mode, is_open):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("GPULABS_DATA", str(folder))
    data.registry.path("cifar10").touch(0o644)
    folder.chmod(mode)

    said = training_stage.obstacle("cifar10", "gpu")

    assert said == (training_stage.OPEN_DATA.format(folder.resolve()) if is_open else "")
    assert training_stage.obstacle("digits", "gpu") == ""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_images_of_another_account_are_not_trained_on(tmp_path):
    archive = tmp_path / "images"
    archive.touch()
    os.chown(archive, 4242, 4242)

    assert training_stage.open_to_others(archive) == archive.resolve()


def test_a_process_that_is_late_withholds(tmp_path, monkeypatch):
    monkeypatch.setitem(training_stage.LIMIT_S, "digits", 0.2)

    found = stage(tmp_path)

    assert "did not end within 0 s" in found.failures["digits"]
    assert not found.trainings


def test_a_process_that_breaks_withholds_and_says_what_it_said(tmp_path):
    (tmp_path / "request.json").write_text('{"gpu": null, "jobs": 3}')

    with pytest.raises(GraderError, match="ended with code 1: .*not iterable"):
        training_stage._work(tmp_path, 120, None)


@pytest.mark.slow
def test_on_cifar10_the_plan_as_given_is_trained_beside_it_and_no_test_label_is_there(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    y_test = rng.integers(0, 10, 50, np.uint8)
    fake = Split(
        rng.integers(0, 256, (256, 32, 32, 3), np.uint8), rng.integers(0, 10, 256, np.uint8),
        rng.integers(0, 256, (50, 32, 32, 3), np.uint8), y_test,
    )  # fmt: skip
    monkeypatch.setattr(data, "is_here", lambda name: True)
    monkeypatch.setattr(data, "load", lambda name: fake)
    monkeypatch.setattr(data, "identity", lambda name: "abcdef0123456789")
    monkeypatch.setattr(training_stage, "BASELINE", TrainingPlan(epochs=1))
    monkeypatch.setattr(training_stage, "BASELINE_SEEDS", 1)
    monkeypatch.setitem(training_stage.SEEDS, "cifar10", 1)
    plan = dataclasses.replace(read_plan(GOOD), epochs=2, precision="mixed_bfloat16")

    found = training_stage._train_on("cifar10", LAB_NETWORK, plan, tmp_path, 1, None, None)

    (mine,), (given,) = found.runs, found.baseline
    assert (len(mine.losses), len(given.losses)) == (2, 1)
    assert (len(mine.epoch_s), len(given.epoch_s)) == (2, 1)
    assert mine.seed == given.seed
    assert found.description == "CIFAR-10, archive abcdef01"
    predicted = np.load(tmp_path / f"mine-{mine.seed}.test.npy")
    assert mine.accuracy == np.mean(predicted == y_test)
    stored = [np.load(file) for file in tmp_path.glob("*.npy")]
    assert not any(array.shape == y_test.shape and np.array_equal(array, y_test) for array in stored)
    assert str(y_test.tolist()) not in json.dumps(json.loads((tmp_path / "request.json").read_text()))
