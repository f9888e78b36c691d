"""Python code by its shape: names, comments and layout gone, so that renamed copies are still the same.

Two views of the same tree. `fragments` are whole statements with their variables numbered in order of
appearance: for finding a known piece of code elsewhere. `tokens` are a stream in source order with all
variables alike: for finding what two texts have in common, wherever it begins and ends.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass

KEPT_NAMES = frozenset(dir(builtins)) | {"cuda", "np", "numpy", "math", "float32", "int32", "tf"}
"""Names that mean the same in every notebook; all others are a student's own choice."""


@dataclass(frozen=True)
class Fragment:
    """A statement.

    Attributes:
        shape: Its tree with variables numbered; equal for renamed copies.
        text: As Python would write it, names kept.
        nodes: Size of the tree.
        first: Its first line.
        last: Its last line.
    """

    shape: str
    text: str
    nodes: int
    first: int
    last: int


@dataclass(frozen=True)
class Token:
    """A piece of a tree in source order: a kind, an attribute, a number."""

    text: str
    line: int


def parse(source: str) -> ast.Module | None:
    """Returns a cell's tree without docstrings, magics blanked; None for what is no Python, or too deep."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    text = "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in lines)
    try:
        tree = ast.parse(text)
        ast.unparse(tree)  # recursion, like the walks below
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.fix_missing_locations(tree)


def fragments(tree: ast.AST) -> Iterator[Fragment]:
    """Yields every statement of a tree, those inside others too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            size = sum(1 for _ in ast.walk(node))
            yield Fragment(_shape(node), ast.unparse(node), size, node.lineno, node.end_lineno or node.lineno)


def tokens(node: ast.AST) -> list[Token]:
    """Returns a tree as a stream: kinds of nodes, attributes, numbers, well-known names; variables are all `v`.

    Example:
        >>> [token.text for token in tokens(ast.parse("total += x[i, 3]").body[0])]
        ['AugAssign', 'v', 'Add', 'Subscript', 'v', 'Tuple', 'v', '3']
    """
    found: list[Token] = []
    _collect(node, 1, found)
    return found


def _collect(node: ast.AST, line: int, found: list[Token]) -> None:
    line = getattr(node, "lineno", line)
    match node:
        case ast.Name(id=name):
            found.append(Token(name if name in KEPT_NAMES else "v", line))
            return
        case ast.arg():
            found.append(Token("v", line))
            return
        case ast.Constant(value=value):
            found.append(Token(f"{value!r:.20}" if isinstance(value, int | float) else type(value).__name__, line))
            return
        case ast.expr_context() | ast.arguments():
            pass
        case ast.Attribute(attr=name):
            found.append(Token(f".{name}", line))
        case ast.FunctionDef():
            found.append(Token("FunctionDef", line))
            for child in (*node.decorator_list, node.args, *node.body):
                _collect(child, line, found)
            return
        case _:
            found.append(Token(type(node).__name__, line))
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr_context):
            _collect(child, line, found)


def _shape(node: ast.AST) -> str:
    numbers: dict[str, str] = {}

    def name_of(name: str) -> str:
        return name if name in KEPT_NAMES else numbers.setdefault(name, f"v{len(numbers)}")

    def walk(part: object) -> str:
        match part:
            case ast.Name(id=name) | ast.arg(arg=name):
                return name_of(name)
            case ast.FunctionDef():
                inner = [*part.decorator_list, part.args, *part.body]
                return f"def {name_of(part.name)}({','.join(map(walk, inner))})"
            case ast.expr_context():
                return ""
            case ast.AST():
                return f"{type(part).__name__}({','.join(walk(value) for _, value in ast.iter_fields(part))})"
            case list():
                return f"[{','.join(map(walk, part))}]"
            case _:
                return repr(part)

    return walk(node)
