"""What the records of classes and of nbgrader's agreement say, as Markdown for docs/measurements.md."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.record import table


def of_class(name: str, found: Any) -> list[str]:
    """A made-up class: as it ran; if it did, killed and started again, and on Slurm."""
    verdict = found["start_to_verdict_s"]
    text = [
        f"{found['graded']} of {found['submissions']} submissions graded on {found['cores']} cores in "
        f"{found['seconds'] / 60:.0f} min, {found['seconds_a_submission']:.1f} s each; start to verdict "
        f"{verdict['median']:.1f} s (median), {verdict['p90']:.1f} s (90 %); {found['peak_memory_gb']} GB at most; "
        f"load average {found['load_average']}."
    ]
    again = "the same table, verdict by verdict", "NOT the same table"
    if killed := found.get("killed"):
        text.append(
            f"Killed {killed['kills']} times at random moments and started again: "
            f"{again[not killed['same_table']]}; {killed['graded_twice']} graded twice."
        )
    if slurm := found.get("slurm"):
        text.append(
            f"As jobs of Slurm (`{slurm['options']}`): {again[not slurm['same_table']]}; "
            f"{slurm['graded_twice']} graded twice."
        )
    parts = (found, found.get("killed", {}), found.get("slurm", {}))
    times = Counter(each for part in parts for each in part.get("surprises", ()))
    odd = [f"{each} ({count} times)" if count > 1 else each for each, count in times.items()]
    text.append(f"Not as expected: {'; '.join(odd)}." if odd else "Every score was the expected one.")
    rows = [(kind, *values.values()) for kind, values in found["kinds"].items()]
    columns = ("kind", "submissions", "median points", "median s")
    when = f"{found['device']['name']}. Measured {found['date'][:10]} with `{found['command']}`."
    return [f"### {name}", "", when, "", " ".join(text), "", table(columns, rows), ""]


def of_agreement(found: Any) -> list[str]:
    """Our points beside those in nbgrader's gradebook."""
    text = (
        f"{found['compared']} of {found['submissions']} example submissions, graded by `autograder grade` and taken "
        f"through `nbgrader autograde` and `nbgrader export`; {found['graded_by_nbgrader_too']} of them were graded "
        f"by nbgrader itself once more. Disagreements: {len(found['disagreements'])}."
    )
    how = "; ".join(f"{what}: {count}" for what, count in found["how"].items())
    rows = [tuple(row.values()) for row in found["table"] if row["compared"]]
    when = f"Measured {found['date'][:10]} with `{found['command']}`."
    columns = ("lab", "kind", "compared", "agree")
    return ["## nbgrader's scores and ours", "", when, "", f"{text} {how}.", "", table(columns, rows), ""]
