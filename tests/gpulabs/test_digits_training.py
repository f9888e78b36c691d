"""The small network: it learns, a rate that is too high is no crash, and its step can be measured on a CPU."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from gpulabs import digits_training, live_step
from gpulabs.data.bundled import digits
from gpulabs.digits_training import DigitsStep, train_digits
from gpulabs.errors import BadInputError, OutOfMemory
from gpulabs.live_step import LARGEST_ON_CPU, prepare_step


def test_it_learns_and_a_larger_batch_at_the_same_rate_learns_less():
    small, large = (train_digits(batch, lambda step: 0.03, epochs=4) for batch in (16, 256))
    assert small[-1] > 0.85
    assert large[-1] < small[-1] - 0.05
    assert train_digits(256, lambda step: 0.03, epochs=4) == large


def test_the_gradients_to_scale_are_those_of_the_first_step_where_nothing_was_learnt():
    found = digits_training.digits_gradients(epochs=0)
    weights, speeds = digits_training._initial(np.random.default_rng(0), digits_training.HIDDEN)
    split = digits()
    x = (split.x_train[:64].reshape(-1, 64) / 16).astype(np.float32)
    digits_training._step(weights, speeds, x, split.y_train[:64], 1.0)
    assert np.array_equal(found, np.concatenate([-speed.ravel() for speed in speeds]))
    assert np.median(np.abs(digits_training.digits_gradients(epochs=2))) < np.median(np.abs(found))


def test_gradients_are_those_of_the_loss():
    chance = np.random.default_rng(0)
    weights, _ = digits_training._initial(chance, 8)
    x, y = chance.random((5, 64)).astype(np.float32), np.arange(5)

    def loss(place, value):
        changed = [weight.astype(np.float64) for weight in weights]
        changed[place].flat[3] += value
        return digits_training._step(changed, [np.zeros_like(one) for one in changed], x, y, 0.0)

    moved = [weight.astype(np.float64) for weight in weights]
    digits_training._step(moved, [np.zeros_like(one) for one in moved], x.astype(np.float64), y, 1.0)
    for place, weight in enumerate(weights):
        slope = (loss(place, 1e-4) - loss(place, -1e-4)) / 2e-4
        assert weight.flat[3] - moved[place].flat[3] == pytest.approx(slope, abs=1e-4)


def test_a_rate_that_is_too_high_stays_at_chance():
    assert train_digits(256, lambda step: 1e6, epochs=3)[-1] <= 0.2


@pytest.mark.parametrize("batch", [0, 1501])
def test_a_batch_there_are_no_digits_for(batch):
    with pytest.raises(BadInputError, match="1500"):
        train_digits(batch, lambda step: 0.1)


def test_a_step_of_this_machine():
    step, synchronize = prepare_step(4, on_gpu=False)
    step()
    synchronize()
    with pytest.raises(OutOfMemory, match="sets on a CPU"):
        prepare_step(2 * LARGEST_ON_CPU, on_gpu=False)
    with pytest.raises(BadInputError):
        DigitsStep(0)


@pytest.mark.usefixtures("h100")
def test_a_notebook_leaves_memory_of_the_gpu_to_its_checks(monkeypatch):
    class Config:
        limits: ClassVar = {}
        started = False

        LogicalDeviceConfiguration = staticmethod(lambda memory_limit: memory_limit)
        list_physical_devices = staticmethod(lambda kind: ["gpu 0", "gpu 1"])
        get_logical_device_configuration = limits.get

        def set_logical_device_configuration(self, gpu, limits):
            if self.started:
                raise RuntimeError("devices cannot be modified after being initialized")
            self.limits[gpu] = limits

    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    tensorflow = SimpleNamespace(config=Config())
    live_step._leave_memory(tensorflow)
    assert Config.limits == {"gpu 0": [int(80e9 * 0.6 / 2**20)]}
    tensorflow.config.started = True
    Config.limits.clear()
    live_step._leave_memory(tensorflow)  # as the student set it up
    assert Config.limits == {}
