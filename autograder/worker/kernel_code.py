"""Reads a kernel's text strictly and builds it anew: numbers, arrays, loops and the words of the vocabulary.

The text comes from a process that ran student Python. What is built here can compute, index arrays and
call `cuda.*`, `math.*` and numbers of NumPy; it can import nothing, reach no object's insides and name
nothing else. So it can't forge what it is judged by. What does not fit is not run.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.evidence import Function
from autograder.worker import vocabulary

MAX_CHARACTERS = 200_000

ATTRIBUTES = frozenset(
    ("shape", "size", "ndim", "strides", "itemsize", "dtype", "flat", "T", "x", "y", "z", "real", "imag")
)
"""Of arrays, indices and numbers."""

METHODS = frozenset(("reshape", "ravel"))

DTYPES = frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"))

_NODES = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign,
    ast.For, ast.While, ast.If, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.BoolOp, ast.BinOp, ast.UnaryOp,
    ast.Compare, ast.IfExp, ast.NamedExpr, ast.Call, ast.keyword, ast.Constant, ast.Attribute, ast.Subscript,
    ast.Slice, ast.Name, ast.Tuple, ast.List, ast.Starred, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
    ast.expr_context,
)  # fmt: skip


class KernelCodeError(Exception):
    """A kernel's text holds what can't be replayed; the text completes "kernel k ..."."""


def build(functions: Sequence[Function]) -> Any:
    """Builds a kernel from records.

    Args:
        functions: The kernel first, then its device functions; untrusted.

    Returns:
        The kernel, as `cuda.jit` gives it.

    Raises:
        KernelCodeError: The text holds what is not kernel code.
    """
    from numba import cuda

    if not functions:
        raise KernelCodeError("has no source text (was it made by exec?)")
    spaces = [{"__builtins__": {name: _builtin(name) for name in vocabulary.BUILTINS}} for _ in functions]
    built = []
    for number, (function, space) in enumerate(zip(functions, spaces, strict=True)):
        exec(_compiled(function), space)  # checked: it only defines a function
        built.append(cuda.jit(space[function.name], device=number > 0))
    for function, space in zip(functions, spaces, strict=True):
        space.update({name: _meaning(said, built) for name, said in function.names.items() if name[:2] != "__"})
    return built[0]


def _builtin(name: str) -> Any:
    import builtins

    return getattr(builtins, name)


def _meaning(said: Any, built: Sequence[Any]) -> Any:
    """What a name stands for; see `autograder.worker.portable`."""
    try:
        match said:
            case {"word": str(path)}:
                return vocabulary.find(path)
            case {"number": int() | float() as number}:
                return number
            case {"tuple": list(values)} if all(type(value) in (bool, int, float) for value in values):
                return tuple(values)
            case {"array": values, "dtype": str(dtype)} if dtype in DTYPES or dtype == "bool":
                return np.array(values, dtype)[()]
            case {"function": int(number)} if 0 < number < len(built):
                return built[number]
    except (KeyError, AttributeError, ImportError, ValueError, TypeError, OverflowError) as error:
        raise KernelCodeError(f"names something that can't be replayed ({type(error).__name__})") from error
    raise KernelCodeError("names something that can't be replayed")


def _compiled(function: Function) -> Any:
    if len(function.text) > MAX_CHARACTERS or not function.name.isidentifier():
        raise KernelCodeError("is too long to be replayed")
    try:
        tree = ast.parse(function.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise KernelCodeError(f"has a source that can't be read ({type(error).__name__})") from error
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].name != function.name:
        raise KernelCodeError("is not a plain function (def ...)")
    definition = tree.body[0]
    definition.decorator_list, definition.returns = [], None
    for argument in ast.walk(definition.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    if definition.args.defaults or definition.args.kw_defaults or definition.args.vararg or definition.args.kwarg:
        raise KernelCodeError("has parameters with defaults or stars")
    try:
        _Checker(definition, function).visit(tree)
        ast.increment_lineno(tree, max(function.line, 1) - 1)
        return compile(tree, f"<cell {function.cell}>", "exec")
    except (RecursionError, MemoryError, ValueError, SyntaxError) as error:
        raise KernelCodeError(f"has a source that can't be read ({type(error).__name__})") from error


class _Checker(ast.NodeVisitor):
    """Raises at the first thing that is no kernel code."""

    def __init__(self, definition: ast.FunctionDef, function: Function) -> None:
        self._definition, self._function = definition, function
        stored = {n.id for n in ast.walk(definition) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        self._local = stored | {a.arg for a in ast.walk(definition.args) if isinstance(a, ast.arg)}

    def visit(self, node: ast.AST) -> None:
        if not isinstance(node, _NODES) or (isinstance(node, ast.FunctionDef) and node is not self._definition):
            self._refuse(f"uses {type(node).__name__}", node)
        super().visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id.startswith("__"):
            self._refuse(f"names {node.id}", node)
        if self._path(node) in vocabulary.NAMESPACES:
            self._refuse(f"passes the module {node.id} on", node)

    def visit_Constant(self, node: ast.Constant) -> None:
        fits = node.value is None or type(node.value) in (bool, int, float) or node.value in DTYPES
        if not fits and not self._is_docstring(node):
            self._refuse("holds a text or another constant that is no number", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path in vocabulary.NAMESPACES:
            self._refuse(f"passes {path} on", node)
        if not isinstance(node.ctx, ast.Load):
            self._refuse(f"sets .{node.attr}", node)
        if path is not None:
            return  # a word, all of it
        if node.attr not in ATTRIBUTES:
            self._refuse(f"uses .{node.attr}", node)
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        callee = node.func
        if isinstance(callee, ast.Attribute) and callee.attr in METHODS and self._path(callee) is None:
            self.visit(callee.value)
        elif isinstance(callee, ast.Name):
            known = callee.id in vocabulary.BUILTINS or callee.id in self._function.names
            if callee.id in self._local or not known:
                self._refuse(f"calls {callee.id}", node)
            self.visit(callee)
        elif self._path(callee) is None:
            self._refuse(f"calls {ast.unparse(callee)[:60]}", node)
        else:
            self.visit(callee)
        for part in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.visit(part)

    def _path(self, node: ast.AST) -> str | None:
        """The path of a word or a namespace that a chain of names is, or None for any other value."""
        if isinstance(node, ast.Name):
            said = self._function.names.get(node.id)
            word = said.get("word") if isinstance(said, dict) and node.id not in self._local else None
            return word if isinstance(word, str) else None
        if not isinstance(node, ast.Attribute):
            return None
        space = self._path(node.value)
        if space not in vocabulary.NAMESPACES:
            return None
        path = f"{space}.{node.attr}"
        if path not in vocabulary.WORDS and path not in vocabulary.NAMESPACES:
            self._refuse(f"uses {path}", node)
        return path

    def _is_docstring(self, node: ast.Constant) -> bool:
        first = self._definition.body[0]
        return isinstance(first, ast.Expr) and first.value is node and isinstance(node.value, str)

    def _refuse(self, what: str, node: ast.AST) -> None:
        line = getattr(node, "lineno", 1) + max(self._function.line, 1) - 1
        raise KernelCodeError(f"{what} (cell {self._function.cell}, line {line})")
