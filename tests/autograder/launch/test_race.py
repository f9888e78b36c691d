"""The race on a GPU in plain Python: what is poisoned, restored, rotated, compared and timed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograder import ladder
from autograder.evidence import ArraySpec, Case, Kernel, Plan, Race
from autograder.launch import race as module
from autograder.launch.arena import count_poison
from autograder.launch.race import Contender, Track, run_race, same
from autograder.launch.runner import KernelFault, Loaded
from gpulabs.convolution import conv2d
from tests.autograder.launch.fake_gpu import FakeGpu

CASE = Case("c", "t", "speed", "f", (4, 3, 4, 2), (2, 2, 2, 5))


@pytest.fixture(autouse=True)
def small_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST_FLUSH_BYTES", 1 << 12)


def contender(name: str, plan: Plan | None = None) -> Contender:
    planned, _ = ladder.plan_for(ladder.rung("naive"), CASE)
    return Contender(name, plan or planned, {"ladder:naive": Loaded(Kernel(name, name, ""), name)})


def inputs() -> tuple[Any, Any]:
    random = np.random.default_rng(5)
    return (random.integers(-9, 9, shape).astype(np.float32) for shape in (CASE.x_shape, CASE.w_shape))  # type: ignore[return-value]


def raced(gpu: FakeGpu, *names: str, threshold: float = 1.5) -> Race:
    x, w = inputs()
    judged = conv2d(x, w).astype(np.float32)
    track = Track(gpu, [contender(name) for name in names], x, w)
    blank = Race("t", "w", names[1], ())
    return run_race(blank, threshold, track, names, judged, 3, lambda: None, lambda: ("throttled",))


def test_pairs_are_candidate_then_baseline_in_random_order() -> None:
    gpu = FakeGpu(times_ms={"mine": 1.0, "naive": 2.0})
    found = raced(gpu, "mine", "naive", "coalesced")
    assert found.pairs == ((1.0, 2.0),) * 16
    assert found.peers == {"naive": 2.0, "coalesced": 1.0}
    assert found.wrong_outputs == 0
    assert found.trouble == ("throttled",)
    timed = gpu.launched[7 : 7 + 32]  # after two warm-ups each and the baseline's answer to the judged inputs
    quads = {tuple(timed[i : i + 4]) for i in range(0, 32, 4)}
    assert quads == {("mine", "naive", "naive", "mine"), ("naive", "mine", "mine", "naive")}


STEPS = ((0.5, 1.0), (0.95, 2.0))


def raced_between(gpu: FakeGpu) -> Race:
    names = ("mine", "naive", "tiled", "coalesced")
    x, w = inputs()
    track = Track(gpu, [contender(name) for name in names], x, w)
    blank = Race("t", "w", "naive", (), high="tiled")
    return run_race(blank, 0.0, track, names, conv2d(x, w).astype(np.float32), 3, lambda: None, tuple, STEPS)


def test_a_race_between_two_rungs_measures_all_three_in_every_round() -> None:
    gpu = FakeGpu(times_ms={"mine": 3.0, "naive": 4.0, "tiled": 2.0})
    found = raced_between(gpu)
    assert found.rounds == ((3.0, 4.0, 2.0),) * 16
    assert found.pairs == ((3.0, 4.0),) * 16
    assert found.peers == {"naive": 4.0, "tiled": 2.0, "coalesced": 1.0}
    timed = gpu.launched[9 : 9 + 48]  # after two warm-ups each, and a look at how far the baseline is off
    for at in range(0, 48, 6):
        there, back = timed[at : at + 3], timed[at + 3 : at + 6]
        assert sorted(there) == ["mine", "naive", "tiled"]
        assert back == there[::-1]
    assert len({tuple(timed[at : at + 3]) for at in range(0, 48, 6)}) > 1


def test_a_race_between_two_rungs_goes_on_while_a_step_is_open() -> None:
    class Wavering(FakeGpu):
        def launch(self, kernel: Any, *rest: Any) -> None:
            self.times_ms["mine"] = 2.6 if self.calls % 12 < 6 else 3.1  # the step at 0.5 lies at 2.83
            super().launch(kernel, *rest)

    assert len(raced_between(Wavering(times_ms={"naive": 4.0, "tiled": 2.0})).rounds) == 120


def test_an_answer_kept_from_an_earlier_run_is_wrong_in_every_pair() -> None:
    class Remembering(FakeGpu):
        """Its kernel `mine` computes once for each array that it is given, and hands that out ever after."""

        def launch(self, kernel: Any, grid: Any, block: Any, shared_bytes: int, values: Any) -> None:
            super().launch(kernel, grid, block, shared_bytes, values)
            if kernel == "mine":
                y = self.array(values[26:39])
                y[:] = self.kept.setdefault(int(values[4]), y.copy())

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.kept: dict[int, Any] = {}

    found = raced(Remembering(times_ms={"mine": 1.0, "naive": 2.0}), "mine", "naive")
    assert found.wrong_outputs >= len(found.pairs) - module.SETS


def test_inputs_that_the_candidate_spoils_are_whole_again_for_the_baseline() -> None:
    class Spoiling(FakeGpu):
        def launch(self, kernel: Any, grid: Any, block: Any, shared_bytes: int, values: Any) -> None:
            if kernel == "mine":
                self.array(values[:13])[:] = 0
            super().launch(kernel, grid, block, shared_bytes, values)

    found = raced(Spoiling(times_ms={"mine": 1.0, "naive": 2.0}), "mine", "naive")
    assert found.wrong_outputs == len(found.pairs)


def test_whole_numbers_have_no_tolerance_in_timed_outputs() -> None:
    class Rounding(FakeGpu):
        def launch(self, kernel: Any, grid: Any, block: Any, shared_bytes: int, values: Any) -> None:
            super().launch(kernel, grid, block, shared_bytes, values)
            if kernel == "mine":
                self.array(values[26:39])[:] *= np.float32(1 + 2e-5)

    found = raced(Rounding(times_ms={"mine": 1.0, "naive": 2.0}), "mine", "naive")
    assert found.wrong_outputs == len(found.pairs)


def test_undecided_race_goes_on_to_the_cap() -> None:
    class Wavering(FakeGpu):
        def launch(self, kernel: Any, *rest: Any) -> None:
            self.times_ms["mine"] = 0.5 if self.calls % 8 < 4 else 1.0
            super().launch(kernel, *rest)

    found = raced(Wavering(times_ms={"naive": 1.0}), "mine", "naive", threshold=1.5)
    assert len(found.pairs) == 120


def test_every_output_is_poisoned_before_every_run() -> None:
    gpu = FakeGpu()
    x, w = inputs()
    track = Track(gpu, [contender("naive"), contender("nothing")], x, w)
    track.run("naive", 0)
    assert count_poison(track.output("naive")) == 0
    track.run("nothing", 0)  # it could copy the baseline's answer, were it still there
    assert count_poison(track.output("naive")) == count_poison(track.output("nothing")) == 4 * 2 * 3 * 5


def test_sets_roll_images_and_channels_at_other_addresses() -> None:
    gpu = FakeGpu()
    x, w = inputs()
    track = Track(gpu, [contender("naive")], x, w)
    y = conv2d(x, w)
    for which in range(module.SETS):
        track.run("naive", which)
        assert np.array_equal(track.output("naive"), np.roll(np.roll(y, which, 0), which, 3))


def test_constants_are_restored_and_views_share_memory() -> None:
    base, _ = ladder.plan_for(ladder.rung("naive"), CASE)
    constant = replace(base.arrays[2], role="constant", values=(0.0,))
    view = ArraySpec("view", base.arrays[2].shape, "float32", view_of=2)
    plan = replace(base, arrays=(*base.arrays[:2], constant, view), result=3)
    x, w = inputs()
    track = Track(FakeGpu(), [contender("naive", plan), contender("nothing", plan)], x, w)
    track.run("naive", 0)
    assert np.array_equal(track.output("naive"), conv2d(x, w))
    track.run("nothing", 0)
    assert not track.output("nothing").any()


def test_fault_in_a_timed_run_names_the_contender() -> None:
    x, w = inputs()
    track = Track(FakeGpu(), [contender("wild"), contender("naive")], x, w)
    track.run("wild", 0)
    with pytest.raises(Exception, match="ILLEGAL_ADDRESS"):
        track.output("wild")
    track = Track(FakeGpu(), [contender("refused"), contender("naive")], x, w)
    with pytest.raises(KernelFault) as caught:
        track.run("refused", 0)
    assert caught.value.who == "refused"


def test_same_means_bits_or_a_ten_thousandth_of_the_largest() -> None:
    one = np.array([1.0, np.nan, np.inf, -2.0], np.float32)
    assert same(one, one.copy())
    assert same(one + np.array([1e-4, 0, 0, 0], np.float32), one)
    assert not same(one + np.array([1e-3, 0, 0, 0], np.float32), one)
    assert not same(np.full(4, np.nan, np.float32), one)
    assert not same(np.array([1.0, 0.0, np.inf, -2.0], np.float32), one)
