"""Whose time it is: a worker's, that computes or idles, or a busy machine's, that keeps it waiting."""

import pytest

from autograder.isolation import effort
from autograder.isolation.effort import Effort

LOOK_S = 0.02


def looks(count, *, cpu_s=0.0, wants_more=False, passed_s=LOOK_S):
    """So many looks, in each of which the processes took as much processor time."""
    found = Effort()
    for number in range(1, count + 1):
        found.look(passed_s, number * cpu_s, wants_more)
    return found


@pytest.mark.parametrize(
    ("cpu_s", "wants_more", "own_s", "idle_s"),
    [
        pytest.param(LOOK_S, True, 20.0, 0.0, id="computes all the time"),
        pytest.param(0.0, False, 20.0, 20.0, id="sleeps, or waits for a lock"),
        pytest.param(LOOK_S / 10, True, 2.0, 0.0, id="gets a tenth of a core of a busy machine"),
        pytest.param(0.0, True, 0.0, 0.0, id="waits for the disk"),
        pytest.param(LOOK_S / 4, False, 20.0, 15.0, id="computes now and then, and sleeps between"),
        pytest.param(LOOK_S * 8, True, 20.0, 0.0, id="eight threads at once"),
    ],
)
def test_own_time_is_what_it_computes_or_idles(cpu_s, wants_more, own_s, idle_s):
    found = looks(1000, cpu_s=cpu_s, wants_more=wants_more)

    assert (found.own_s, found.idle_s) == pytest.approx((own_s, idle_s))
    assert found.own_s + found.waited_s == pytest.approx(1000 * LOOK_S)


def test_a_clock_of_coarse_steps_is_not_read_as_waiting():
    """/proc counts in steps of 10 ms: of a core that is always busy, 30 ms of a look's 20, then 10."""
    found, cpu_s = Effort(), 0.0
    for number in range(1000):
        cpu_s += 0.03 if number % 2 else 0.01
        found.look(LOOK_S, cpu_s, wants_more=True)

    assert found.own_s == pytest.approx(20.0, abs=0.05)


def test_processor_time_does_not_save_up():
    """Eight threads for a second are a second; they pay for no later one."""
    found = looks(50, cpu_s=LOOK_S * 8, wants_more=True)
    cpu_s = 50 * LOOK_S * 8
    for _ in range(50):
        found.look(LOOK_S, cpu_s, wants_more=True)

    assert found.own_s == pytest.approx(1.0 + effort.MOST_CREDIT_S)


def test_a_grader_that_was_kept_from_looking_blames_nobody():
    """A laptop that was closed for an hour finds a worker that sleeps, between two looks."""
    found = looks(1, passed_s=3600.0)

    assert found.own_s == effort.LONGEST_LOOK_S


def test_processes_that_ended_take_nothing_back():
    found = Effort()
    for cpu_s in (1.0, 0.2, 0.3):
        found.look(1.0, cpu_s, wants_more=True)

    assert found.own_s == pytest.approx(1.1)


def test_without_proc_the_clock_on_the_wall_counts():
    found = Effort()
    found.look(2.5, None, wants_more=False)

    assert found.own_s == 2.5
