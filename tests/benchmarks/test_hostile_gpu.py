"""What counts as a surprise, without a GPU: attacks that end otherwise, honest work that is disturbed."""

from pathlib import Path

import pytest

from autograder.examples import Example
from autograder.result import ItemScore, Result, Status
from benchmarks.hostile_gpu import _chosen, earlier, entry, speedup

EXAMPLE = Example("e", {}, ("conv_coalesced.coalesced",), gpu=True, loses_on_gpu=("conv_coalesced.speed",))


def graded(times_as_fast: float = 2.2, /, **statuses: Status) -> Result:
    """A result of the task with the race: all earned, but for the items named."""
    items = (
        ItemScore("conv_coalesced", name, name, 0.0, 1.0, statuses.get(name, Status.EARNED), "", evidence=numbers)
        for name, numbers in (("exact", {}), ("coalesced", {}), ("speed", {"speedup": times_as_fast}), ("cpu", {}))
    )
    return Result("lab1_conv_kernel", "s", "", "", tuple(items))


LOST = {"coalesced": Status.LOST, "speed": Status.LOST}


@pytest.mark.parametrize(
    ("attack", "after", "verdict"),
    [
        (graded(**LOST), graded(), "as expected"),
        (graded(coalesced=Status.LOST), graded(), "did not end as its header says"),
        (graded(**LOST, exact=Status.WITHHELD), graded(), "did not end as its header says"),
        (graded(**LOST), graded(exact=Status.LOST), "lost points"),
        (graded(**LOST), graded(2.0), "raced at 0.91 of its usual speedup"),
        (graded(**LOST), graded(2.15), "as expected"),
    ],
)
def test_a_surprise_is_named(attack: Result, after: Result, verdict: str) -> None:
    assert verdict in entry(EXAMPLE, attack, after, 2.2, "gpu")["verdict"]


def test_parts_share_the_attacks_among_runs() -> None:
    whole = _chosen("", "1/1")
    assert len(whole) > 40
    assert sorted(_chosen("", "1/2") + _chosen("", "2/2")) == sorted(whole)
    assert [file.stem for file in _chosen("nanosleep", "1/1")] == ["time_nanosleep"]


def test_the_speedup_is_that_of_the_race() -> None:
    assert speedup(graded(1.7)) == 1.7
    assert speedup(Result("lab1_conv_kernel", "s", "", "", ())) is None


def test_a_run_goes_on_from_its_record_with_what_can_ruin_a_gpu_first(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    assert earlier(record) == []
    record.write_text('{"attacks": [{"name": "a", "verdict": "as expected"}]}')
    assert [one["name"] for one in earlier(record)] == ["a"]
    names = [file.stem for file in _chosen("", "1/1")]
    assert names[0].startswith("availability")
    assert names.index("availability_wild_write") < names.index("answers_by_pointer")
