"""Cuts a submission into the program of one task: its cells, and whatever they use from others.

A notebook also holds measurements, plots and experiments. They are not run for grading: of other
cells only the definitions that a task's cells need are kept, found by name. Line numbers stay, so
that every message points into the student's own cell.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.evidence import Fault, FaultKind
from autograder.submission import Cell

HARMLESS_CALLS = frozenset(["np", "numpy", "math", "int", "float", "tuple", "list", "range", "min", "max", "len"])
"""What an assignment of another cell may call: a constant, not a measurement."""

MAX_SOURCE = 200_000
"""Characters of one cell that are parsed; a student's cell has a few thousand."""


MAX_STATEMENTS = 4000
"""Of all cells that are looked through for definitions; a lab's notebook has a few hundred."""


@dataclass(frozen=True)
class Program:
    """What the worker executes for one task.

    Attributes:
        task: The task's id.
        cells: (cell name, source), in notebook order; lines left out are blank.
        faults: Cells of the task that can't be parsed, or no cell at all.
    """

    task: str
    cells: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class _Statement:
    cell: int
    first: int
    last: int
    binds: frozenset[str]
    uses: frozenset[str]


def program(cells: Sequence[Cell], task: str) -> Program:
    """Finds the program of one task.

    Args:
        cells: The submission's cells.
        task: The task's id.

    Returns:
        The program; with faults and no cells where there is nothing to run.
    """
    own = [index for index, cell in enumerate(cells) if cell.task == task]
    if not own:
        message = f"{task}: the notebook has no cell for this task; its first line is '# task: {task}'. Put it back."
        return Program(task, (), (Fault(FaultKind.MISSING_FUNCTION, message),))
    statements: list[_Statement] = []
    chosen: list[_Statement] = []
    texts: list[str] = []
    for index, cell in enumerate(cells):
        text = _without_magics(cell.source)
        texts.append(text)
        tree = _parse(text, cell)
        if isinstance(tree, Fault):
            if index in own:
                return Program(task, (), (tree,))
            continue
        for node in tree.body:
            if isinstance(node, ast.Expr) or not (index in own or _is_definition(node)):
                continue
            if len(statements) >= MAX_STATEMENTS:
                return Program(task, (), (_too_many(cell),))
            statement = _statement(node, index, cell)
            if isinstance(statement, Fault):
                if index in own:
                    return Program(task, (), (statement,))
                continue
            statements.append(statement)
            if index in own:
                chosen.append(statement)
    chosen = _with_needed(chosen, statements, last=max(own))
    return Program(task, tuple(_kept(cells, texts, chosen)))


def _with_needed(chosen: list[_Statement], statements: list[_Statement], last: int) -> list[_Statement]:
    """Adds, until nothing is missing, the statements that bind a used name."""
    done: set[str] = set()
    taken = {id(statement) for statement in chosen}
    binders: dict[str, list[_Statement]] = {}
    for statement in statements:
        for name in statement.binds:
            binders.setdefault(name, []).append(statement)
    queue = [name for statement in chosen for name in statement.uses]
    while queue:
        name = queue.pop()
        if name in done:
            continue
        done.add(name)
        binding = binders.get(name, [])
        # As when the notebook ran from the top: what stands above the task's cell wins.
        above = [s for s in binding if s.cell <= last]
        for statement in above or binding:
            if id(statement) not in taken:
                taken.add(id(statement))
                chosen.append(statement)
                queue.extend(statement.uses)
    return chosen


def _kept(cells: Sequence[Cell], texts: list[str], chosen: list[_Statement]) -> Iterator[tuple[str, str]]:
    for index in sorted({statement.cell for statement in chosen}):
        lines = texts[index].splitlines()
        keep = {n for s in chosen if s.cell == index for n in range(s.first, s.last + 1)}
        yield cells[index].name, "\n".join(line if n in keep else "" for n, line in enumerate(lines, start=1))


def _without_magics(source: str) -> str:
    """Blanks IPython's `%magic` and `!command` lines, which are no Python."""
    return "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in source.splitlines())


def _parse(text: str, cell: Cell) -> ast.Module | Fault:
    if len(text) > MAX_SOURCE:
        message = f"{cell.name}: the cell has {len(text)} characters, more than the {MAX_SOURCE} that are read."
        return Fault(FaultKind.SYNTAX_ERROR, message, cell.name)
    try:
        return ast.parse(text)
    except SyntaxError as error:
        message = f"{cell.name}, line {error.lineno}: syntax error, {error.msg}. Python can't read this cell: mend it."
        return Fault(FaultKind.SYNTAX_ERROR, message, cell.name, error.lineno)
    except (RecursionError, MemoryError, ValueError):  # too deep, or null bytes
        return _too_deep(cell)


def _too_many(cell: Cell) -> Fault:
    message = f"{cell.name}: the notebook holds more than {MAX_STATEMENTS} statements up to here: take cells out."
    return Fault(FaultKind.SYNTAX_ERROR, message, cell.name)


def _too_deep(cell: Cell) -> Fault:
    message = f"{cell.name}: syntax error, the code is nested too deeply or holds bytes that are no text."
    return Fault(FaultKind.SYNTAX_ERROR, message, cell.name)


def _statement(node: ast.stmt, index: int, cell: Cell) -> _Statement | Fault:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    try:
        table = symtable.symtable(ast.unparse(node), "statement", "exec")
    except SyntaxError as error:  # what the parser lets pass: an argument named twice, a misplaced nonlocal
        message = f"{cell.name}, line {first}: syntax error, {error.msg}. Python can't read this cell: mend it."
        return Fault(FaultKind.SYNTAX_ERROR, message, cell.name, first)
    except (RecursionError, MemoryError, ValueError):
        return _too_deep(cell)
    symbols = table.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()}
    uses = {s.get_name() for s in symbols if s.is_referenced()} | _globals_of(table)
    return _Statement(index, first, node.end_lineno or node.lineno, frozenset(binds), frozenset(uses))


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    """Names that the functions of a table take from the module around them."""
    names: set[str] = set()
    for child in table.get_children():
        names |= {s.get_name() for s in child.get_symbols() if s.is_global() and s.is_referenced()}
        names |= _globals_of(child)
    return names


def _is_definition(node: ast.stmt) -> bool:
    """Whether a statement of some other cell only defines something: cheap to run, and nothing to see."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        return True
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    calls = [_path(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)]
    return all(names == ("cuda", "jit") or (names[:1] and names[0] in HARMLESS_CALLS) for names in calls)


def _path(node: ast.expr) -> tuple[str, ...]:
    """`np.linalg.norm` as its names; empty for what is called by no such path. No recursion: a chain may be long."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()
