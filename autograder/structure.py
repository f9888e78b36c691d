"""What a compiled kernel is made of, read from its PTX: which loads feed its multiply-adds, and how wide they are.

A static count believes anything: a shared array that is filled and never needed, one wide load beside a
hundred narrow ones. So values are followed through registers, local and shared memory, calls included,
and only what reaches a global store counts:

    product      fma, mul or mma whose two factors were both loaded from memory
    factor       comes from shared memory, from global memory, or is neither (a constant, an index)
    main loop    the innermost loop with the most products

The order of instructions is ignored when values are followed, so that a value counts as used in rare
cases where it is not, and never the other way round. What a branch that never runs holds counts too:
text can't tell, the race can.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autograder.evidence import Structure
from autograder.ptx import Statement, is_fp64, statements, without_comments

SHARED, GLOBAL, LOCAL = "shared", "global", "local"
MMA_PRODUCTS = 32
"""Multiply-adds a thread of one m16n8k8: 16 * 8 * 8 by 32 lanes."""

MOST_TARGETS = 64
"""Registers that an instruction writes: a tensor core's have 32 at the most. Each is joined with every operand."""

_FLOATS = frozenset(("f32", "f16", "f16x2", "bf16", "bf16x2", "f64"))
_FUNCTION = re.compile(r"(?:\.\w+ )*?\.(?:func\s*(?:\([^)]*\)\s*)?|entry\s+)([\w$]+)")
_ENTRY = re.compile(r"\.entry\b")
_SPACE = re.compile(r"\.(shared|local)\b")
_SYMBOL = re.compile(r"\.[busf]\d+ ([\w$]+)")
_NAME = re.compile(r"%?[A-Za-z_$][\w$]*")
_LOC = re.compile(r"[ \t]*\.loc[ \t]+(\d{1,6})[ \t]+(\d{1,6})\b")
_FILE = re.compile(r'^[ \t]*\.file[ \t]+(\d{1,6})[ \t]+"([^"\n]*)"', re.MULTILINE)
_WIDTHS = {"v2": 2, "v4": 4, "x2": 2, "x4": 4}


@dataclass
class _Graph:
    """Which value goes into which; a node is a register of a function, a parameter, or a kind of memory."""

    into: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    back: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        found = tuple(targets)
        if len(found) > MOST_TARGETS:
            raise ValueError("no instruction of a GPU writes so many registers")
        for source in sources:
            self.into[source].update(found)
            for target in found:
                self.back[target].add(source)


@dataclass(frozen=True)
class _Access:
    """A load: where from, into which registers, how many floats, in how many bits."""

    place: int
    space: str
    registers: tuple[str, ...]
    floats: int
    bits: int


def analyse(key: str, ptx: str, cell: str | None = None) -> Structure:
    """Reads a kernel's structure from its PTX.

    Args:
        key: The kernel's key in its `PlanSet`.
        ptx: The PTX text, of the kernel and the functions that it calls; untrusted.
        cell: Lines of this notebook cell only are kept; None for all.

    Returns:
        The counts; all 0 for a text that is no PTX, which the assembler refuses anyway.
    """
    try:
        return _Reader(key, ptx, cell).structure()
    except (IndexError, KeyError, ValueError):  # an instruction without its operands
        return Structure(key)


class _Reader:
    """One reading of one text."""

    def __init__(self, key: str, ptx: str, cell: str | None) -> None:
        self._key = key
        self._code: list[tuple[str, Statement]] = []  # (function, instruction)
        self._symbols: dict[str, str] = {}
        self._collect(ptx)
        self._pointers, self._values = _Graph(), _Graph()
        self._loads: list[_Access] = []
        self._products: list[tuple[int, tuple[tuple[str, ...], ...], tuple[str, ...], int]] = []
        self._stored: set[str] = set()  # what is written to global memory
        self._shared_stores = self._copies = self._wide_copies = self._barriers = 0
        self._constant: set[str] = set()  # registers that hold a constant at this place
        for function, each in self._code:
            self._connect_pointers(function, each)
        self._spaces = self._space_of_pointers()
        for place, (function, each) in enumerate(self._code):
            self._connect_values(place, function, each)
        self._lines = _source_lines(ptx, cell)

    def _collect(self, ptx: str) -> None:
        """Reads the entry and what it calls: other functions of the text never run, whatever they are made of."""
        function = ""
        entries: list[str] = []
        calls: dict[str, set[str]] = defaultdict(set)
        for each in statements(ptx):
            if each.is_directive:
                found = _FUNCTION.match(each.text)
                function = found.group(1) if found else function
                entries += [function] if found and _ENTRY.search(found.group()) else []
                space = _SPACE.search(declared := each.text.partition("=")[0])
                if space and (symbol := _SYMBOL.search(declared, space.end())):
                    self._symbols[symbol.group(1)] = space.group(1)
            elif each.opcode:
                self._code.append((function, each))
                if each.opcode.split(".")[0] == "call":
                    operands = split(each.operands)
                    calls[function].add(operands[1 if operands[0].startswith("(") else 0])
        runs = _reach(entries, calls)
        self._code = [(name, each) for name, each in self._code if name in runs or not entries]

    def _connect_pointers(self, function: str, each: Statement) -> None:
        """Follows addresses: from a variable's name through arithmetic and calls."""
        family = each.opcode.split(".")[0]
        operands = split(each.operands)
        if family == "call":
            self._call(self._pointers, function, each)
        elif family in ("mov", "add", "sub", "cvta", "cvt", "selp", "mad", "or") or ".param." in each.opcode:
            self._pointers.add(self._names(function, operands[1:]), self._names(function, operands[:1]))

    def _space_of_pointers(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for space in (LOCAL, SHARED):
            seeds = [name for name, kind in self._symbols.items() if kind == space]
            for name in _reach(seeds, self._pointers.into):
                found[name] = space
        return found

    def _space(self, function: str, opcode: str, address: str) -> str:
        for part in opcode.split(".")[1:]:
            if part.partition("::")[0] in (SHARED, GLOBAL, LOCAL, "param", "const"):
                return part.partition("::")[0]
        spaces = {self._spaces.get(name, GLOBAL) for name in self._names(function, [address])}
        return next((space for space in (SHARED, LOCAL) if space in spaces), GLOBAL)

    def _connect_values(self, place: int, function: str, each: Statement) -> None:
        """Follows what is loaded, computed and stored."""
        family, *parts = each.opcode.split(".")
        operands = split(each.operands)
        target = self._names(function, operands[:1])
        if each.labels:
            self._constant.clear()
        if family != "mov":
            self._constant.difference_update(target)
        if family == "call":
            self._call(self._values, function, each)
        elif family in ("bar", "barrier"):
            self._barriers += "warp" not in parts
        elif family == "cp" and "async" in parts and len(operands) > 2:
            self._copies += 1
            self._wide_copies += operands[2].strip() == "16"
        elif family in ("ld", "ldu", "ldmatrix"):
            self._load(place, function, each, operands)
        elif family in ("st", "stmatrix"):
            self._store(function, each, operands)
        elif family in ("red", "atom"):
            written = self._names(function, operands[1:] if family == "red" else operands[2:])
            if self._space(function, each.opcode, operands[family == "atom"]) == GLOBAL:
                self._stored.update(written)
        elif family in ("mma", "wmma") and len(operands) == 4:
            factors = tuple(self._names(function, [operand]) for operand in operands[1:3])
            self._products.append((place, factors, target, MMA_PRODUCTS))
            self._values.add(self._names(function, operands[1:]), target)
        elif family == "mov" and self._copies_constant(function, each, operands):
            return
        elif family not in ("bra", "ret", "exit", "setp", "set"):
            if family in ("fma", "mul", "mad") and _FLOATS & set(parts):
                factors = tuple(self._names(function, [operand]) for operand in operands[1:3])
                self._products.append((place, factors, target, 1))
            sources = [name for name in self._names(function, operands[1:]) if not re.search(r"%p\d+$", name)]
            self._values.add(sources, target)

    def _copies_constant(self, function: str, each: Statement, operands: Sequence[str]) -> bool:
        """Whether a move gives a constant, perhaps out of a register that was set to one just before.

        The compiler starts sums at a common zero: taken for a copy of the other sum, that would join the two.
        """
        (target, *_), sources = self._names(function, operands[:1]), self._names(function, operands[1:])
        constant = "%" not in operands[1] or self._constant.issuperset(sources)
        if constant and not each.text.startswith("@"):
            self._constant.add(target)
        else:
            self._constant.discard(target)
        return constant

    def _load(self, place: int, function: str, each: Statement, operands: Sequence[str]) -> None:
        parts = each.opcode.split(".")
        registers = self._names(function, operands[:1])
        space = SHARED if parts[0] == "ldmatrix" else self._space(function, each.opcode, operands[1])
        if space == "param":
            self._values.add(self._names(function, operands[1:]), registers)
            return
        if space == LOCAL:
            self._values.add([LOCAL], registers)
            return
        items = next((_WIDTHS[part] for part in parts if part in _WIDTHS), 1)
        size = int(re.sub(r"\D", "", parts[-1]) or 32)
        if space == SHARED:
            self._values.add([SHARED], registers)
        self._loads.append(_Access(place, space, registers, max(items * size // 32, 1), items * size))

    def _store(self, function: str, each: Statement, operands: Sequence[str]) -> None:
        space = self._space(function, each.opcode, operands[0])
        written = self._names(function, operands[1:])
        if space == GLOBAL:
            self._stored.update(written)
        elif space == "param":
            self._values.add(written, self._names(function, operands[:1]))
        else:
            self._shared_stores += space == SHARED
            self._values.add(written, [space])

    def _call(self, graph: _Graph, function: str, each: Statement) -> None:
        """Joins a call's arguments and result with the parameters of the function called."""
        operands = split(each.operands)
        result = operands.pop(0) if operands and operands[0].startswith("(") else ""
        callee, given = operands[0].strip(), split(operands[1].strip("() ")) if len(operands) > 1 else []
        for number, name in enumerate(given):
            graph.add(self._names(function, [name]), [f"{callee}:{callee}_param_{number}"])
        if result:
            graph.add([f"{callee}:func_retval0"], self._names(function, [result]))

    def _names(self, function: str, operands: Sequence[str]) -> tuple[str, ...]:
        """Registers and symbols in operands; those of one function are its own."""
        found = (name for operand in operands for name in _NAME.findall(operand))
        return tuple(name if name in self._symbols else f"{function}:{name}" for name in found)

    def structure(self) -> Structure:
        """Counts."""
        through = {SHARED: self._values.into.pop(SHARED, set())}
        origins = {
            space: _reach([r for load in self._loads if load.space == space for r in load.registers], self._values.into)
            for space in (SHARED, GLOBAL)
        }
        self._values.into |= through
        used = _reach(self._stored, self._values.back)
        products = [
            (place, factors, weight)
            for place, factors, target, weight in self._products
            if used & set(target) and all(any(f in origins[SHARED] | origins[GLOBAL] for f in fs) for fs in factors)
        ]
        loops = self._loops()
        looped = _covered(loops, len(self._code))
        inside = [product for product in products if looped[product[0]]]
        counted = inside or products
        loads = [load for load in self._loads if used & set(load.registers)]
        main = self._main_loop(loops, counted)
        from_shared = [each for each in counted if any(f in origins[SHARED] for fs in each[1] for f in fs)]
        within = [load for load in loads if main[0] <= load.place <= main[1]]
        of = {space: [load for load in loads if load.space == space] for space in (SHARED, GLOBAL)}
        copied = 4 * self._wide_copies + (self._copies - self._wide_copies)
        return Structure(
            kernel=self._key,
            products=sum(weight for _, _, weight in counted),
            products_from_shared=sum(weight for _, _, weight in from_shared),
            main_products=sum(weight for place, _, weight in counted if main[0] <= place <= main[1]),
            main_loaded_floats=sum(load.floats for load in within),
            shared_stores=self._shared_stores + self._copies,
            shared_floats=sum(load.floats for load in of[SHARED]),
            shared_wide_floats=sum(load.floats for load in of[SHARED] if load.bits >= 128),
            global_floats=sum(load.floats for load in of[GLOBAL]) + copied,
            global_wide_floats=sum(load.floats for load in of[GLOBAL] if load.bits >= 128) + 4 * self._wide_copies,
            barriers=self._barriers,
            async_copies=self._copies,
            tensor_instructions=sum(weight == MMA_PRODUCTS for _, _, weight in products),
            lines=self._places(products, loads, main),
        )

    def _loops(self) -> list[tuple[int, int]]:
        """Loops as (first, last) instruction: from a label to the last branch back to it."""
        labels = {(f, label): place for place, (f, each) in enumerate(self._code) for label in each.labels}
        found: dict[int, int] = {}
        for place, (function, each) in enumerate(self._code):
            if each.opcode.split(".")[0] == "bra":
                start = labels.get((function, each.operands.strip()))
                if start is not None and start <= place:
                    found[start] = max(place, found.get(start, place))
        return sorted(found.items())

    def _main_loop(
        self, loops: Sequence[tuple[int, int]], products: Sequence[tuple[int, tuple[tuple[str, ...], ...], int]]
    ) -> tuple[int, int]:
        """The innermost loop with the most products; everything where no loop has one."""
        places, sums = [place for place, _, _ in products], [0]
        for _, _, weight in products:
            sums.append(sums[-1] + weight)
        best, most, end = (0, len(self._code)), 0, len(self._code) + 1
        for first, last in reversed(loops):  # by falling start: a loop holds another if one of those seen ends in it
            count = sums[bisect.bisect_right(places, last)] - sums[bisect.bisect_left(places, first)]
            if last < end and count > most:
                best, most = (first, last), count
            end = min(end, last)
        return best

    def _places(
        self, products: Sequence[tuple[int, tuple[tuple[str, ...], ...], int]], loads: Sequence[_Access],
        main: tuple[int, int],
    ) -> dict[str, int]:  # fmt: skip
        """Lines of the student's source, where the compiler wrote them down."""
        wanted: dict[str, int] = {}
        for name, places in (
            ("product", [place for place, _, _ in products if main[0] <= place <= main[1]]),
            ("narrow global load", [one.place for one in loads if one.space == GLOBAL and one.bits < 128]),
            ("narrow shared load", [one.place for one in loads if one.space == SHARED and one.bits < 128]),
            ("fp64", [place for place, (_, each) in enumerate(self._code) if is_fp64(each)]),
        ):
            lines = [line for place in places if (line := self._lines(self._code[place][1].line))]
            if lines:
                wanted[name] = lines[0]
        return wanted


def _covered(loops: Sequence[tuple[int, int]], size: int) -> list[bool]:
    """Which instructions lie in a loop."""
    steps = [0] * (size + 1)
    for first, last in loops:
        steps[first] += 1
        steps[last + 1] -= 1
    return [depth > 0 for depth in itertools.accumulate(steps)]


def split(operands: str) -> list[str]:
    """Cuts operands at the commas that stand outside of braces, brackets and parentheses."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(operands):
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "," and depth == 0:
            parts.append(operands[start:position])
            start = position + 1
    parts.append(operands[start:])
    return [part.strip() for part in parts if part.strip()]


def _reach(seeds: Iterable[str], edges: Mapping[str, set[str]]) -> set[str]:
    """All nodes that can be reached, the seeds included."""
    found = set(seeds)
    ahead = list(found)
    while ahead:
        for target in edges.get(ahead.pop(), ()):
            if target not in found:
                found.add(target)
                ahead.append(target)
    return found


def _source_lines(ptx: str, cell: str | None) -> Callable[[int], int]:
    """A function from a line of the PTX to one of the source; 0 where unknown or in another cell."""
    text = without_comments(ptx)
    files = {number for number, name in _FILE.findall(text) if cell is None or name.endswith(f"<cell {cell}>")}
    marks = []
    for number, written in enumerate(text.splitlines(), start=1):
        if found := _LOC.match(written):
            marks.append((number, int(found.group(2)) if found.group(1) in files else 0))
    starts = [mark[0] for mark in marks]

    def line(at: int) -> int:
        index = bisect.bisect_right(starts, at) - 1
        return marks[index][1] if index >= 0 else 0

    return line
