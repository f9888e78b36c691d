"""What graded code may take from our own two packages: tools, never a task's answer.

The pictures of the labs need the formulas that students are asked to write (occupancy, passes over banks,
FLOPs), so gpulabs has them, and whoever imports one has written nothing. While a submission is graded its
imports of our packages are answered from `OFFERED`. Whatever is not on that list still imports, so that a
cell with a plot or a measurement in it runs; using it raises one sentence, which the report shows.

This makes importing worthless and is no wall: the source is public, and a submission that holds a copy of it
holds code like any other copied code (`autograder similar` shows such pairs to a person).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn

OFFERED: dict[str, tuple[str, ...] | None] = {
    "gpulabs": ("__version__", "conv2d", "GpulabsError"),
    "gpulabs.convolution": ("FLOAT_BYTES", "conv2d", "output_shape", "output_size", "padding_before", "same_padding"),
    "gpulabs.errors": None,
    "gpulabs.exit_codes": None,
    "gpulabs.intrinsics": None,
    "gpulabs.intrinsics.device": None,
    "gpulabs.intrinsics.simulated": None,
    "gpulabs.access": ("BANKS", "FLOAT_BYTES", "SECTOR_BYTES", "WARP_SIZE", "flat_index"),
    "gpulabs.occupancy": ("LIMITS", "limits_of"),
    "gpulabs.roofline": ("KNOWN_ROOFS", "STAND_IN", "Roof", "known_roof"),
}
"""Module -> the names that graded code may use of it, None for all. A name that answers a task must not be here."""

PACKAGES = ("gpulabs", "autograder")


class NotOfferedError(ImportError):
    """Graded code used something of our packages that may hold an answer."""


class _NotOffered:
    """Stands for a function or a module that graded code can't have: any use of it raises."""

    def __init__(self, path: str) -> None:
        object.__setattr__(self, "_path", path)

    def _refuse(self, *args: Any, **more: Any) -> NoReturn:
        path = object.__getattribute__(self, "_path")
        raise NotOfferedError(
            f"{path} is not there while your work is graded, it could be an answer: write it in the task's cell"
        )

    __call__ = __getitem__ = __iter__ = __len__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = _refuse
    __rmul__ = __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _refuse
    __lt__ = __gt__ = __le__ = __ge__ = __bool__ = __int__ = __float__ = __index__ = __enter__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python itself and Numba look for on any object
            raise AttributeError(name)
        self._refuse()


class _Facade(Loader):
    """Loads a module with the offered names, and placeholders under all others."""

    def __init__(self, name: str, inner: ModuleSpec) -> None:
        self._name, self._inner = name, inner

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        name = self._name
        names = OFFERED.get(name, ())
        if names:
            whole = importlib.util.module_from_spec(self._inner)
            assert self._inner.loader is not None
            self._inner.loader.exec_module(whole)
            for offered in names:
                setattr(module, offered, getattr(whole, offered))
        setattr(module, "__getattr__", _placeholders(name))  # noqa: B010 (PEP 562; not in the type)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in PACKAGES or OFFERED.get(fullname, ()) is None:
            return None
        inner = PathFinder.find_spec(fullname, path)
        if inner is None:
            return None  # there is no such module: Python says so itself
        spec = ModuleSpec(fullname, _Facade(fullname, inner), is_package=inner.submodule_search_locations is not None)
        spec.submodule_search_locations = inner.submodule_search_locations
        return spec


def restrict() -> None:
    """From now on imports of our packages in this process are answered from `OFFERED`.

    Modules of the grader that the worker has loaded by then stay: none of them knows an answer (an import
    contract says so).
    """
    package = importlib.import_module("gpulabs")
    for name in [name for name in sys.modules if name.startswith("gpulabs.") and OFFERED.get(name, ()) is not None]:
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        vars(sys.modules[parent]).pop(child, None)
    sys.meta_path.insert(0, _Finder())
    lazy = vars(package)["__getattr__"]
    for name in OFFERED["gpulabs"] or ():
        vars(package).setdefault(name, getattr(package, name, None) or lazy(name))
    setattr(package, "__getattr__", _placeholders("gpulabs"))  # noqa: B010 (PEP 562; not in the type)


def _placeholders(module: str) -> Any:
    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        if f"{module}.{name}" in OFFERED:  # `from gpulabs import intrinsics` asks the package first
            return importlib.import_module(f"{module}.{name}")
        return _NotOffered(f"{module}.{name}")

    return __getattr__
