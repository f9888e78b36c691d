"""Frozen records to plain data and strictly back: what an untrusted process wrote is a fault, never a crash.

Every field's type is checked, unknown and missing fields are refused, numbers and nesting are bounded,
so that what reads the record later can't overflow, run out of stack or fail to print it.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from typing import Any, TypeVar

from gpulabs.errors import BadInputError

T = TypeVar("T")

MAX_DEPTH = 16
"""Of lists in a value of any form; what walks or prints a deeper one could run out of stack."""

_LARGEST = 2**63
"""Beyond every count, size and seed; larger numbers overflow where they are divided."""


def encode(record: Any) -> Any:
    """Turns a record into plain dicts, lists and scalars for `json.dumps`."""
    return dataclasses.asdict(record)


def decode(cls: type[T], data: Any, where: str = "record") -> T:
    """Reads a record back, checking every field's type.

    Args:
        cls: The record's class.
        data: What `json.loads` gave; untrusted.
        where: Named in errors.

    Raises:
        BadInputError: A field is missing, unknown or of another type.
    """
    return typing.cast(T, _decode(cls, data, where))


def _decode(kind: Any, data: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        if _depth(data) > MAX_DEPTH:
            raise BadInputError(f"{where}: nested more than {MAX_DEPTH} deep")
        return data
    if origin in (typing.Union, types.UnionType):
        return _decode_union(args, data, where)
    if dataclasses.is_dataclass(kind):
        return _decode_record(typing.cast(type, kind), data, where)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        if data not in [member.value for member in kind]:
            raise BadInputError(f"{where}: {str(data)[:80]!r} is not a {kind.__name__}")
        return kind(data)
    if origin is tuple and isinstance(data, list | tuple):
        if args[-1] is Ellipsis:
            return tuple(_decode(args[0], value, f"{where}[{i}]") for i, value in enumerate(data))
        if len(data) == len(args):
            pairs = zip(args, data, strict=True)
            return tuple(_decode(k, value, f"{where}[{i}]") for i, (k, value) in enumerate(pairs))
    if origin is dict and isinstance(data, dict):
        return {_text(str(key)): _decode(args[1], value, f"{where}.{key}") for key, value in data.items()}
    if type(data) is int and not -_LARGEST <= data <= 2 * _LARGEST:
        raise BadInputError(f"{where}: a whole number of {data.bit_length()} bits")
    if kind is float and type(data) in (int, float):
        return float(data)
    if isinstance(kind, type) and type(data) is kind:
        return _text(data) if isinstance(data, str) else data
    raise BadInputError(f"{where}: expected {kind}, got {type(data).__name__}")


def _decode_union(args: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in args:
        return None
    for option in args:
        if option is type(None):
            continue
        exact = isinstance(option, type) and not dataclasses.is_dataclass(option)
        if exact and type(data) is option:
            return _decode(option, data, where)
    others = [option for option in args if option is not type(None)]
    return _decode(others[0], data, where)


def _text(data: str) -> str:
    """Half characters (lone surrogates), which JSON can hold and no file or terminal takes, become question marks."""
    return data.encode("utf-8", "replace").decode("utf-8")


def _depth(data: Any) -> int:
    depth, level = 0, [data]
    while level and depth <= MAX_DEPTH:
        depth += 1
        inner = [part for part in level if isinstance(part, list | tuple | dict)]
        level = [value for part in inner for value in (part.values() if isinstance(part, dict) else part)]
    return depth


def _decode_record(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise BadInputError(f"{where}: expected an object for {kind.__name__}, got {type(data).__name__}")
    hints, required = _fields(kind)
    unknown = set(data) - set(hints)
    if unknown:
        raise BadInputError(f"{where}: unknown field {sorted(unknown)[0]!r} in {kind.__name__}")
    missing = required - set(data)
    if missing:
        raise BadInputError(f"{where}: {kind.__name__} lacks {sorted(missing)[0]!r}")
    return kind(**{name: _decode(hints[name], value, f"{where}.{name}") for name, value in data.items()})


@functools.cache
def _fields(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Types of a record's fields, and the names of those that have no default; working them out takes a while."""
    required = frozenset(
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    )
    return typing.get_type_hints(kind), required
