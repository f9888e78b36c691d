"""A TOML table read strictly: wrong types and unknown keys raise an error that names file and key."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

from gpulabs.errors import RubricError

Range = tuple[int, int]

_NUMBERS = (int, float)


class Table:
    """A TOML table that remembers which keys were read, so that `close` finds those nobody knows."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data, self.where, self.seen = data, where, set[str]()

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.data

    def fail(self, key: str, problem: str) -> RubricError:
        """Makes the error for a key, to be raised."""
        return RubricError(f"{self.where}: {key}: {problem}")

    def get(self, key: str, kinds: tuple[type, ...], default: Any = None) -> Any:
        """Reads a value of one of these types; raises where it is missing and has no default."""
        self.seen.add(key)
        if key not in self.data:
            if default is None:
                raise self.fail(key, "missing")
            return default
        value = self.data[key]
        if type(value) not in kinds:  # not isinstance: true is an int to Python, and no number of points
            names = " or ".join(kind.__name__ for kind in kinds)
            raise self.fail(key, f"expected {names}, got {value!r}")
        return value

    def text(self, key: str, choices: tuple[str, ...] = (), default: str | None = None) -> str:
        """Reads a string that isn't empty, one of the choices if there are any."""
        value: str = self.get(key, (str,), default)
        if choices and value not in choices:
            raise self.fail(key, f"{value!r} is unknown: use one of {', '.join(choices)}")
        if not value.strip():
            raise self.fail(key, "empty")
        return value

    def positive(self, key: str) -> float:
        """Reads a finite number above 0."""
        value: float = self.get(key, _NUMBERS)
        if not (value > 0 and math.isfinite(value)):
            raise self.fail(key, f"{value!r} must be a positive number")
        return value

    def not_negative(self, key: str) -> float:
        """Reads a finite number from 0."""
        value: float = self.get(key, _NUMBERS)
        if not (value >= 0 and math.isfinite(value)):
            raise self.fail(key, f"{value!r} must be a number from 0")
        return value

    def flag(self, key: str) -> bool:
        """Reads true or false."""
        value: bool = self.get(key, (bool,))
        return value

    def steps(self, key: str) -> tuple[tuple[float, float], ...]:
        """Reads a list of [position, points], both growing, positions above 0 and up to 1."""
        value = self.get(key, (list,))
        pairs = [tuple(one) for one in value if type(one) is list and len(one) == 2]
        numbers = all(type(number) in _NUMBERS and number > 0 for pair in pairs for number in pair)
        if not pairs or len(pairs) != len(value) or not numbers or max(pair[0] for pair in pairs) > 1:
            raise self.fail(key, f"expected [[position, points], ...], positions above 0 and up to 1, got {value!r}")
        if any(later[0] <= one[0] or later[1] <= one[1] for one, later in itertools.pairwise(pairs)):
            raise self.fail(key, "positions and points must grow from step to step")
        return tuple((float(position), float(points)) for position, points in pairs)

    def count(self, key: str, default: int | None = None) -> int:
        """Reads a whole number from 1."""
        value: int = self.get(key, (int,), default)
        if value < 1:
            raise self.fail(key, f"{value} must be at least 1")
        return value

    def counts(self, key: str, default: list[int]) -> tuple[int, ...]:
        """Reads a list of whole numbers from 1."""
        value = self.get(key, (list,), default)
        if not value or any(type(one) is not int or one < 1 for one in value):
            raise self.fail(key, f"expected whole numbers from 1, got {value!r}")
        return tuple(value)

    def range(self, key: str) -> Range:
        """Reads [least, most]; [1, 1] where missing."""
        low, high = (*self.counts(key, [1, 1]), 0, 0)[:2]
        if len(self.data.get(key, [1, 1])) != 2 or low > high:
            raise self.fail(key, f"expected [least, most], got {self.data[key]!r}")
        return low, high

    def table(self, key: str, default: dict[str, Any] | None = None) -> Table:
        """Reads a table within this one."""
        return Table(self.get(key, (dict,), default), f"{self.where}: {key}")

    def tables(self, key: str) -> list[Table]:
        """Reads an array of tables, at least one."""
        values = self.get(key, (list,))
        if not values or any(type(value) is not dict for value in values):
            raise self.fail(key, "expected at least one table")
        return [Table(value, f"{self.where}: {key} {value.get('id', i)}") for i, value in enumerate(values)]

    def close(self) -> None:
        """Raises if there is a key that nobody read."""
        for key in self.data:
            if key not in self.seen:
                raise self.fail(key, f"unknown key; known here: {', '.join(sorted(self.seen))}")
