"""Settings that people write as plain values, read strictly: every error names what, where and what to do.

A setting is a frozen dataclass that checks its own fields; `record` and `one_of` make one of a dictionary, as JSON
holds it. Nothing that is read is ever called or executed.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from gpulabs.errors import BadInputError

T = TypeVar("T")
_PLAIN = (bool, int, float, str, list, tuple, dict, type(None))


def whole(where: str, value: Any, low: int, high: int) -> None:
    """Checks a whole number.

    Raises:
        BadInputError: It is none, or not from `low` to `high`.
    """
    if type(value) is not int:  # not isinstance: True is an int to Python, and no number of filters
        raise BadInputError(f"{where}: expected a whole number from {low} to {high:,}, got {shown(value)}")
    if not low <= value <= high:
        raise BadInputError(f"{where}: {shown(value)} is not from {low} to {high:,}")


def number(where: str, value: Any, low: float, high: float, *, above: bool = False) -> None:
    """Checks a finite number.

    Args:
        where: Named in the error.
        value: What was given.
        low: The least.
        high: The largest.
        above: Whether `low` itself is too low.

    Raises:
        BadInputError: It is none, or out of range.
    """
    reach = f"above {low:g} and up to {high:g}" if above else f"from {low:g} to {high:g}"
    if type(value) not in (int, float):
        raise BadInputError(f"{where}: expected a number {reach}, got {shown(value)}")
    if not low <= value <= high or (above and value == low) or math.isnan(value):
        raise BadInputError(f"{where}: {shown(value)} is not {reach}")


def flag(where: str, value: Any) -> None:
    """Checks a truth value.

    Raises:
        BadInputError: It is none.
    """
    if type(value) is not bool:
        raise BadInputError(f"{where}: expected True or False, got {shown(value)}")


def choice(where: str, value: Any, choices: Iterable[str]) -> None:
    """Checks a word.

    Raises:
        BadInputError: It is none of the choices; the error lists them.
    """
    known = list(choices)
    if type(value) is not str or value not in known:
        raise BadInputError(f"{where}: {shown(value)} is unknown{_close(value, known)}; use one of {', '.join(known)}")


def record(kind: type[T], data: Any, where: str, **ready: Any) -> T:
    """Makes a setting of a dictionary.

    Args:
        kind: A frozen dataclass that checks its fields.
        data: Field -> plain value; untrusted.
        where: Named in errors.
        **ready: Fields whose values have been read already; `data` may hold them in any form.

    Raises:
        BadInputError: A field is unknown, missing or wrong.
    """
    table(data, where, f"the settings of {kind.__name__}")
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in data:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise BadInputError(f"{where}: {shown(name)} is no setting of it{_close(name, known)}; it has {listed}")
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise BadInputError(f"{where}: {field.name} is missing")
    try:
        return kind(**{**data, **ready})
    except BadInputError as error:
        raise BadInputError(f"{where}: {error}") from None


def one_of(kinds: Mapping[str, type[T]], data: Any, where: str, tag: str) -> T:
    """Makes the setting that a dictionary names.

    Args:
        kinds: Name -> its dataclass.
        data: Its fields, and under `tag` its name; untrusted.
        where: Named in errors.
        tag: The key that holds the name.

    Raises:
        BadInputError: There is no such kind, or a field is wrong.
    """
    table(data, where, f'{{"{tag}": "{next(iter(kinds))}", ...}}')
    if tag not in data:
        raise BadInputError(f'{where}: "{tag}" is missing; it says which: {", ".join(kinds)}')
    choice(f'{where}: "{tag}"', data[tag], kinds)
    return record(kinds[data[tag]], {k: v for k, v in data.items() if k != tag}, f"{where} ({data[tag]})")


def table(data: Any, where: str, example: str) -> None:
    """Checks that something is a dictionary with text as keys.

    Raises:
        BadInputError: It is not.
    """
    if type(data) is not dict:
        raise BadInputError(f"{where}: expected a dictionary, {example}, got {shown(data)}")
    for name in data:
        if type(name) is not str:
            raise BadInputError(f"{where}: keys are text, got {shown(name)}")


def sequence(data: Any, where: str, most: int) -> list[Any]:
    """Reads a list or tuple that is neither empty nor longer than `most`.

    Raises:
        BadInputError: It is not.
    """
    if type(data) not in (list, tuple):
        raise BadInputError(f"{where}: expected a list, got {shown(data)}")
    if not 1 <= len(data) <= most:
        raise BadInputError(f"{where}: {len(data)} entries, expected 1 to {most}")
    return list(data)


def shown(value: Any) -> str:
    """Writes a value so that it fits into a sentence; of an object that JSON can't hold only the type, and why."""
    if type(value) not in _PLAIN:
        kind = type(value).__name__
        return f"an object of type {kind}; only numbers, text, lists and dictionaries can be handed in: describe it"
    if type(value) is int and abs(value) >= 2**63:
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value) if type(value) in (bool, int, float, str, type(None)) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _close(value: Any, known: list[str]) -> str:
    lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(value[:60].lower(), lower, 1) if type(value) is str else []
    return f" (did you mean {lower[found[0]]}?)" if found else ""
