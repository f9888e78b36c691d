"""GPU programming labs: from a first CUDA convolution to a full CIFAR-10 CNN.

What a notebook needs, by name; each is loaded on first use, so that importing gpulabs costs nothing:

    setup, check, hint    the set-up cell, a task's score, the next hint   (gpulabs.notebook)
    conv2d                the reference convolution, plain NumPy           (gpulabs.convolution)
    load                  a data set by name                               (gpulabs.data)
    GpulabsError          the base of every error                          (gpulabs.errors)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpulabs.convolution import conv2d
    from gpulabs.data import load
    from gpulabs.errors import GpulabsError
    from gpulabs.notebook import check, hint, setup

__version__ = "0.1.0"

__all__ = ["GpulabsError", "__version__", "check", "conv2d", "hint", "load", "setup"]

_HOME = {
    "GpulabsError": "gpulabs.errors",
    "check": "gpulabs.notebook",
    "conv2d": "gpulabs.convolution",
    "hint": "gpulabs.notebook",
    "load": "gpulabs.data",
    "setup": "gpulabs.notebook",
}


def __getattr__(name: str) -> Any:
    """Loads a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'gpulabs' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names."""
    return sorted(__all__)
