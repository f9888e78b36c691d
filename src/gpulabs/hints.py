"""Hints from the rubric, from a nudge to nearly the answer, one at a time.

How many a student has seen is kept in `.gpulabs/hints.json` of the working folder. Asking
costs nothing; the file only makes the next call give the next hint.
"""

from __future__ import annotations

import json
from pathlib import Path

from gpulabs.errors import BadInputError

STATE_FILE = Path(".gpulabs") / "hints.json"


def next_hint(lab: str, task: str, folder: Path | None = None) -> str:
    """Gives a task's next hint and remembers that it was given.

    Args:
        lab: The lab, by id or short name, e.g. `lab1`.
        task: The task, e.g. `conv_first`.
        folder: The student's working folder; the current one by default.

    Returns:
        The hint and how many remain; after the last one, all of them again.

    Raises:
        BadInputError: The lab has no such task.

    Example:
        >>> print(next_hint("lab1", "conv_first"))  # doctest: +SKIP
        Hint 1 of 3 for conv_first: Which output does this thread own? ...
        2 more when you ask again.
    """
    from autograder.rubric import load  # imported here: only students who ask need the rubric

    rubric = load(lab)
    found = [candidate for candidate in rubric.tasks if candidate.id == task]
    if not found:
        known = ", ".join(candidate.id for candidate in rubric.tasks)
        raise BadInputError(f"{lab} has no task {task!r}; its tasks: {known}")
    hints = tuple(found[0].hints)
    if not hints:
        return f"{task} has no hints; run check({task!r}) and read what it says."
    path = (folder or Path.cwd()) / STATE_FILE
    state = _read(path)
    key = f"{rubric.id}/{task}"
    given = min(state.get(key, 0), len(hints))
    if given == len(hints):
        everything = "\n".join(f"  {number}. {hint}" for number, hint in enumerate(hints, 1))
        return f"You have seen all {len(hints)} hints for {task}:\n{everything}"
    kept = _write(path, {**state, key: given + 1})
    left = len(hints) - given - 1
    more = f"{left} more when you ask again." if left else "That was the last one."
    note = "" if kept else f"\n({path} can't be written, so the next call gives this hint again.)"
    return f"Hint {given + 1} of {len(hints)} for {task}: {hints[given]}\n{more}{note}"


def _read(path: Path) -> dict[str, int]:
    """The counts given so far; a missing or damaged file only means starting over."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {str(key): count for key, count in data.items() if type(count) is int and count >= 0}


def _write(path: Path, state: dict[str, int]) -> bool:
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(state, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    except OSError:
        return False
    return True
