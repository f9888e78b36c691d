"""Results -> a CSV for a learning management system: one student a row, one task a column."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from autograder.report.clean import one_line
from autograder.report.values import points
from autograder.report.view import tally
from autograder.result import ItemScore, Result
from gpulabs.errors import BadInputError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that starts so for a formula; an apostrophe before it makes it text."""


def csv_text(results: Sequence[Result]) -> str:
    """Returns the CSV of one lab's results.

    Points that are withheld leave their task and the total empty: an empty cell is a question, a zero
    would be an answer. Pending points are counted beside, in their own column.

    Raises:
        BadInputError: The results are of several labs, or there are none.
    """
    labs = sorted({result.lab for result in results})
    if len(labs) != 1:
        found = ", ".join(labs) or "none"
        raise BadInputError(f"a CSV holds one lab's results, found: {found}; choose one with --lab")
    tasks = list(dict.fromkeys(item.task for result in results for item in result.items))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", *tasks, "total", "max", "pending", "withheld", "sha256", "graded_at"])
    for result in results:
        sums = tally(result.items)
        cells = [_points([item for item in result.items if item.task == task]) for task in tasks]
        extra = [points(result.max_points), points(sums["pending"]), points(sums["withheld"])]
        row = [_text(result.student), *cells, _points(result.items), *extra, result.sha256, result.started_at]
        writer.writerow(row)
    return out.getvalue()


def _points(items: Sequence[ItemScore]) -> str:
    return "" if not items or tally(items)["withheld"] else points(sum(item.points for item in items))


def _text(value: str) -> str:
    text = one_line(value, 200)
    return f"'{text}" if text.startswith(_FORMULA) else text
