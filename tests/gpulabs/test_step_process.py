import pytest

from gpulabs.step_process import FEWEST_BLOCKS, OUT_OF_MEMORY, timed


class Clock:
    """Time that passes only while steps run."""

    def __init__(self, step_s):
        self.now, self.step_s, self.waits = 0.0, step_s, 0

    def __call__(self):
        return self.now

    def run(self):
        self.now += self.step_s

    def wait(self, loss):
        self.waits += 1


@pytest.mark.parametrize(("step_s", "block"), [(0.001, 30), (0.5, 1)])
def test_short_steps_are_timed_in_blocks_that_share_one_synchronisation(step_s, block):
    clock = Clock(step_s)
    times_ms, steps = timed(clock.run, clock.wait, 1.0, clock)
    assert steps == block
    assert times_ms == pytest.approx([step_s * 1e3] * len(times_ms))
    assert len(times_ms) >= FEWEST_BLOCKS
    assert clock.waits < 60


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes"),
        RuntimeError("OOM when allocating tensor with shape[8192,32,32,32]"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_memory_that_is_used_up_is_known_by_what_is_said(error):
    assert OUT_OF_MEMORY.search(f"{type(error).__name__}: {error}")


def test_another_failure_is_none_of_memory():
    assert not OUT_OF_MEMORY.search("ValueError: no ZOOM in memory growth")
