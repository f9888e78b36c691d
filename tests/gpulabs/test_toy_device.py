"""Made-up devices: what queues, what waits, what a clock sees; and the sums of their utilisation."""

import pytest

from gpulabs.errors import BadInputError, OutOfMemory
from gpulabs.toy_device import QUEUE, Character, ToyCurve, ToyDevice, noisy_times, utilisation

PLAIN = Character(step_ms=5.0, launch_ms=0.5, wait_ms=0.25)


def seconds(device, steps, wait=True):
    start = device.clock()
    for _ in range(steps):
        device.step()
    if wait:
        device.synchronize()
    return device.clock() - start


def test_a_step_is_queued_and_waited_for():
    assert seconds(ToyDevice(PLAIN), 1, wait=False) == pytest.approx(0.5e-3, abs=1e-6)
    assert seconds(ToyDevice(PLAIN), 4) == pytest.approx((0.5 + 4 * 5 + 0.25) * 1e-3, abs=1e-6)


def test_where_launching_takes_longer_it_decides():
    character = Character(step_ms=0.1, launch_ms=0.4, wait_ms=0.0)
    assert seconds(ToyDevice(character), 100) == pytest.approx(100 * 0.4e-3, rel=0.01)
    assert character.in_training_ms == 0.4


def test_a_full_queue_makes_the_host_wait():
    assert seconds(ToyDevice(Character(5.0, launch_ms=0.1)), QUEUE + 100, wait=False) == pytest.approx(
        100 * 5e-3, rel=0.02
    )


def test_the_first_steps_compile_and_are_slow():
    device = ToyDevice(Character(step_ms=1.0, launch_ms=0.0, wait_ms=0.0, compile_s=2.0, slow_steps=10))
    assert seconds(device, 1) == pytest.approx(2.003, abs=1e-5)
    later = [seconds(device, 1) for _ in range(11)]
    assert later == sorted(later, reverse=True)
    assert later[-1] == pytest.approx(1e-3, abs=1e-6)


def test_interruptions_come_as_often_as_said_and_the_same_seed_gives_the_same_device():
    character = Character(1.0, 0.0, 0.0, interruptions_per_s=2.5, interruption_ms=40.0)
    times = [[seconds(device, 1) for _ in range(4000)] for device in (ToyDevice(character, 3), ToyDevice(character, 3))]
    assert times[0] == times[1]
    assert 3 <= sum(time_s > 0.015 for time_s in times[0]) <= 22


@pytest.mark.parametrize("sharpness", [1.0, 3.0])
def test_throughput_has_a_knee_and_memory_an_end(sharpness):
    curve = ToyCurve(2.0, 0.01, largest=512, sharpness=sharpness)
    assert curve.images_per_s(200) == pytest.approx(1e5 / 2 ** (1 / sharpness))
    with pytest.raises(OutOfMemory, match="batch of 513"):
        curve.step_ms(513)
    for batch in (0, -1, 2.0, True):
        with pytest.raises(BadInputError):
            curve.step_ms(batch)


def test_noisy_times_have_outliers_and_a_drift():
    calm, drifting = noisy_times(10.0, 500, 1), noisy_times(10.0, 500, 1, drift=0.5)
    assert max(calm) < 10.5
    assert drifting[-1] / calm[-1] == pytest.approx(1.5)
    assert 0.05 < sum(time_ms > 14 for time_ms in noisy_times(10.0, 500, 1, outliers=0.1)) / 500 < 0.15


@pytest.mark.parametrize(
    ("kernels", "share"),
    [([], 0), ([(0, 10)], 1), ([(-5, 2), (9, 99)], 0.3), ([(4, 6), (0, 5)], 0.6), ([(0, 8), (1, 2), (3, 9)], 0.9)],
)
def test_utilisation_is_the_union_of_kernels(kernels, share):
    assert utilisation(kernels, 0, 10) == pytest.approx(share)


def test_an_empty_window_has_no_utilisation():
    with pytest.raises(BadInputError, match="empty"):
        utilisation([], 3, 3)
