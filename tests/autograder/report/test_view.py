"""What the page shows of a result: sums that add up, words that stand without colour."""

from dataclasses import replace

import pytest

from autograder.report.view import bar, overall, summary, tally, view
from autograder.result import Figure, Status
from tests.autograder.samples import item, png, result


def test_tally_adds_up_and_counts_a_part_as_lost() -> None:
    items = [
        item("t", "a", "a", 10, Status.EARNED, points=7.5),
        item("t", "b", "b", 4, Status.LOST),
        item("t", "c", "c", 6, Status.PENDING),
        item("t", "d", "d", 5, Status.WITHHELD),
    ]
    assert tally(items) == {"earned": 7.5, "lost": 6.5, "pending": 6.0, "withheld": 5.0}


def test_bar_is_whole_and_in_order() -> None:
    parts = bar(result(statuses={"conv_first": Status.LOST, "roofline": Status.WITHHELD}).items)
    assert [part.status for part in parts] == ["earned", "lost", "pending", "withheld"]
    assert parts[-1].start + parts[-1].width == pytest.approx(100)


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ((Status.EARNED, Status.EARNED), "earned"),
        ((Status.EARNED, Status.LOST), "partly"),
        ((Status.LOST, Status.LOST), "lost"),
        ((Status.EARNED, Status.PENDING), "pending"),
        ((Status.LOST, Status.PENDING), "lost"),
        ((Status.EARNED, Status.LOST, Status.WITHHELD), "withheld"),
    ],
)
def test_overall(statuses: tuple[Status, ...], word: str) -> None:
    assert overall([item("t", str(n), "x", 5, status) for n, status in enumerate(statuses)]) == word


def test_summary_says_that_pending_is_neither_earned_nor_lost() -> None:
    assert summary(result().items).startswith("91 earned, 9 pending. Pending points need")
    assert "Withheld points wait for the grader" in summary([item("t", "a", "a", 1, Status.WITHHELD)])


def test_a_shared_hint_is_shown_once() -> None:
    task = view(result(statuses={"conv_strided": Status.LOST})).tasks[1]
    assert [bool(shown.hint) for shown in task.items] == [True, False, False]


def test_times_are_readable_and_odd_ones_stay() -> None:
    assert dict(view(result(started_at="2026-11-24T23:26:46+01:00")).how)["started"] == "2026-11-24 22:26 UTC"
    assert dict(view(result(started_at="\x1bsoon")).how)["started"] == "<U+001B>soon"
    assert dict(view(result(started_at="")).how)["started"] == "not recorded"


def test_the_number_of_cases_alone_is_no_evidence() -> None:
    assert view(result()).tasks[0].items[0].evidence == []
    assert ("speedup", "1.874") in view(result()).tasks[3].items[2].evidence


def test_place_names_cell_and_line() -> None:
    assert (
        view(result(statuses={"conv_first.exact": Status.LOST})).tasks[0].items[0].place == "cell conv_first, line 12"
    )


@pytest.mark.parametrize("image", ["bm90IGEgcG5n", "<script>", "\u00e9", ""])
def test_what_is_no_png_is_left_out(image: str) -> None:
    shown = view(result(figures=(Figure("conv_first", "t", "a", image), Figure("conv_first", "t", "a", png()))))
    assert len(shown.tasks[0].figures) == 1


def test_titles_come_from_the_rubric_and_an_unknown_lab_still_shows() -> None:
    assert view(result()).tasks[0].title == "A first kernel: one thread, one output"
    assert view(replace(result(), lab="lab9_x")).tasks[0].title == "conv_first"


def test_a_report_begins_with_where_it_was_graded_and_how_to_go_on() -> None:
    lost = {"conv_strided": Status.LOST, "roofline": Status.LOST}
    made = result(statuses=lost, device={"gpu": "NVIDIA H200"})
    shown = view(replace(made, items=(replace(made.items[0], hint="of a point that is earned"), *made.items[1:])))
    assert shown.header == [("Graded on", "NVIDIA H200"), ("isolation", "strong"), ("on", "2026-11-24 22:00 UTC")]
    assert (shown.next_task, shown.next_hint[:5]) == ("conv_strided", "A tap")
    without = view(result(isolation=""))
    assert without.header[0] == ("Graded on", "no GPU: Numba's simulator, speed is pending")
    assert without.header[1] == ("isolation", "not recorded")
    assert (without.next_task, without.next_hint) == ("", "")
