"""The labs of the course and where their notebooks lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpulabs.errors import BadInputError, MissingError


@dataclass(frozen=True)
class Lab:
    """One lab.

    Attributes:
        id: Its full name, also its folder and notebook: `lab1_conv_kernel`.
        title: What it is about, in a few words.
        writes: What the student writes.
        ready: Whether it can be done and graded; the others are planned.
    """

    id: str
    title: str
    writes: str
    ready: bool = False

    @property
    def short(self) -> str:
        """The short name for the command line: `lab1`."""
        return self.id.partition("_")[0]


LABS = (
    Lab(
        "lab1_conv_kernel",
        "A first convolution kernel",
        "a Numba CUDA convolution, stride and padding, its launch configuration, a coalesced version",
        ready=True,
    ),
    Lab(
        "lab2_fast_conv",
        "A fast convolution",
        "shared-memory tiles, register blocking, vector loads, an open challenge",
        ready=True,
    ),
    Lab("lab3_conv_layer", "A layer that learns", "gradient kernels, a Keras layer with a custom gradient"),
    Lab(
        "lab4_batch_size",
        "The batch size",
        "a throughput meter, a model of time per step, a choice, a learning rate for it",
        ready=True,
    ),
    Lab(
        "lab5_memory",
        "Memory",
        "a model of training memory, a search for the largest batch, loss scaling, recomputation",
        ready=True,
    ),
    Lab(
        "lab6_cifar10_cnn",
        "A CIFAR-10 CNN",
        "an input pipeline, augmentation, the network, a training plan",
        ready=True,
    ),
    Lab("lab7_scale_out", "Scaling out", "data-parallel training, a benchmark across GPUs, serving"),
)


def find(name: str) -> Lab:
    """Returns a lab by its short name or id.

    Raises:
        BadInputError: There is none of this name.
        MissingError: It is planned.
    """
    for lab in LABS:
        if name in (lab.id, lab.short):
            if not lab.ready:
                raise MissingError(f"{lab.id} is planned, not written yet; ready are {_ready()}")
            return lab
    raise BadInputError(f"no lab is called {name!r}; ready are {_ready()}")


def _ready() -> str:
    return ", ".join(lab.short for lab in LABS if lab.ready)


def folder(lab: Lab) -> Path:
    """Returns the folder of the released lab: in the installed package, or in the checkout.

    Raises:
        MissingError: It is in neither.
    """
    package = Path(__file__).parent
    for place in (package / "_labs", package.parents[1] / "labs"):
        if (place / lab.id / f"{lab.id}.ipynb").is_file():
            return place / lab.id
    raise MissingError(
        f"{lab.id}: its notebook is not in this installation; install gpulabs again, or in a checkout run: make labs"
    )


def notebook(lab: Lab) -> Path:
    """Returns the released notebook of a lab."""
    return folder(lab) / f"{lab.id}.ipynb"
