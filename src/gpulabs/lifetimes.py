"""Which tensors a compiled training step writes, and how long each lives: on a GPU, on a CPU.

What a layer needs for its gradient is the same everywhere: a convolution and a dense layer need their input, a ReLU the
sign of its output, BatchNorm its input, MaxPool the place of each maximum, Dropout what it dropped. How XLA holds it is
not: it fuses element-wise operations into their neighbours and computes them again rather than keep them, and it hands
convolutions to a library that has its own layout and scratch space. These rules were read off XLA's buffer assignment:
on a CPU as TensorFlow compiles there, for a GPU as XLA compiles for an H200 without one (`benchmarks.xla_for_gpu`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpulabs.step_tensors import PARTS, Layer, Moments, Tensor, computed_again, moments_of
from gpulabs.training_step import StepPlan

__all__ = ["CPU_BYTES", "DEVICES", "PARTS", "Layer", "Moments", "Tensor", "cpu_tensors", "gpu_tensors", "moments_of"]

INDEX_BYTES = 16
"""XLA writes the place of a maximum as an index of four bytes in each of N, H, W and C."""


class _Tensors:
    """Collects the tensors of a network, layer by layer."""

    def __init__(self, plan: StepPlan) -> None:
        self.plan = plan
        self.found: list[tuple[int, Tensor]] = []
        self.place = 0

    def add(self, name: str, part: str, an_image: int, born: int, dies: int) -> None:
        """A tensor that grows with the batch; bytes of one image."""
        self.fixed(name, part, self.plan.batch * an_image, born, dies)

    def fixed(self, name: str, part: str, size: int, born: int, dies: int) -> None:
        """A tensor of any size."""
        self.found.append((self.place, Tensor(name, part, size, born, dies)))

    def all(self, layers: Sequence[Layer], moments: Moments) -> list[Tensor]:
        """In the lifetimes of the plan."""
        return (
            computed_again(self.found, layers, moments) if self.plan.recompute else [tensor for _, tensor in self.found]
        )


@dataclass(frozen=True)
class CpuBytes:
    """How many bytes a value takes on a CPU, which computes in float32 whatever the precision.

    Attributes:
        kept: Of a convolution's output that is kept.
        passing: Of one on its way to the next layer.
        zeros: Of the gradient that MaxPool's backward pass adds to, and of a maximum.
        random: Of Dropout's random numbers.
        weight: Of the copies of a weight beside it: rounded to the precision, and back in float32.
        slots: Of copies of the optimizer's slots, for the step that loss scaling may skip.
    """

    kept: int = 4
    passing: int = 4
    zeros: int = 4
    random: int = 4
    weight: int = 0
    slots: int = 0


CPU_BYTES = {
    "float32": CpuBytes(),
    "bfloat16": CpuBytes(kept=2, random=2, weight=4),
    "float16": CpuBytes(passing=2, zeros=2, weight=4, slots=8),
}


def cpu_tensors(layers: Sequence[Layer], plan: StepPlan, moments: Moments) -> list[Tensor]:
    """The tensors of a step that XLA compiled for a CPU.

    MaxPool is what makes it large: before the step XLA writes, for every value that enters a pooling layer, its index
    in each of the four dimensions, and the pooling itself gives the indices of the maxima. Half the bits hardly help:
    sums, convolutions and indices take four bytes in every precision.
    """
    found, size = _Tensors(plan), CPU_BYTES[plan.precision]
    add = found.add
    for place, layer in enumerate(layers):
        found.place = place
        now, back = moments.forward(place), moments.backward(place)
        following, before = now + 1, back + 1
        if layer.kind in ("Conv2D", "Dense"):
            add(f"{layer.name}: its input, in the gradient's layout", "activations", 4 * layer.inputs, now, back)
            add(f"{layer.name}: output before its activation", "activations", size.kept * layer.outputs, now, back)
            if layer.relu:
                add(f"{layer.name}: output", "passing tensors", size.passing * layer.outputs, now, following)
            add(f"{layer.name}: gradient of its output", "passing tensors", 8 * layer.outputs, back, back)
            if place:
                add(f"{layer.name}: gradient of its input", "passing tensors", 4 * layer.inputs, back, before)
            if size.weight:
                found.fixed(f"{layer.name}: weights, rounded", "workspace", size.weight * layer.trained, 0, back)
        elif layer.kind == "BatchNormalization":
            add(f"{layer.name}: output", "passing tensors", 4 * layer.outputs, now, following)
            add(f"{layer.name}: gradient of its input", "passing tensors", 4 * layer.inputs, back, before)
        elif layer.kind == "MaxPooling2D":
            maxima = (size.zeros + INDEX_BYTES) * layer.outputs
            add(f"{layer.name}: index of every input", "workspace", INDEX_BYTES * layer.inputs, 0, now)
            add(f"{layer.name}: zeros for the gradient", "workspace", size.zeros * layer.inputs, 0, before)
            add(f"{layer.name}: output", "passing tensors", size.zeros * layer.outputs, now, following)
            add(f"{layer.name}: maxima and their index", "workspace", maxima, now, now)
            add(f"{layer.name}: index of the maxima", "activations", INDEX_BYTES * layer.outputs, following, back)
        elif layer.kind == "Dropout":
            add(f"{layer.name}: random bits", "activations", size.random * layer.outputs, 0, back)
            add(f"{layer.name}: output", "passing tensors", size.zeros * layer.outputs, now, following)
        if layer.trained:
            found.fixed(f"{layer.name}: gradient", "gradients", 4 * layer.trained, back, back)
        if layer.trained and size.slots:
            found.fixed(f"{layer.name}: slots, copied", "workspace", size.slots * layer.trained, 0, moments.update)
    return found.all(layers, moments)


def gpu_tensors(layers: Sequence[Layer], plan: StepPlan, moments: Moments) -> list[Tensor]:
    """The tensors of a step that XLA compiled for a GPU; the scratch space of cuDNN and cuBLAS is not among them.

    A convolution adds its bias and takes its ReLU in one kernel, so that only the result is written; the gradient of
    the ReLU needs no more than its sign. MaxPool writes nothing in the forward pass: Dropout's kernel finds the
    maxima as it reads, and the backward pass finds their places anew. What it does hold, from the forward pass on,
    are two tensors of zeros: one that the gradient is added to, one to compare with for the ReLU.
    """
    found = _Tensors(plan)
    add = found.add
    for place, layer in enumerate(layers):
        found.place = place
        now, back, size = moments.forward(place), moments.backward(place), layer.item_bytes
        following = layers[place + 1].kind if place + 1 < len(layers) else ""
        used = moments.backward(_next(layers, place, WITH_KERNEL))  # the next weights' gradient needs this output
        taken = moments.backward(_previous(layers, place, ("Conv2D", "Dense", "BatchNormalization", "MaxPooling2D")))
        if layer.kind in WITH_KERNEL:
            add(f"{layer.name}: output", "activations", size * layer.outputs, now, back - 1 if following else back)
            if following != "BatchNormalization":  # whose kernel takes the ReLU's gradient, too
                add(f"{layer.name}: gradient of its output", "passing tensors", size * layer.outputs, back, back)
            if place:
                add(f"{layer.name}: gradient of its input", "passing tensors", size * layer.inputs, back, taken)
            if size < 4:
                found.fixed(f"{layer.name}: weights, rounded", "workspace", size * layer.trained, now, back)
                if not place:
                    add(f"{layer.name}: images, rounded", "activations", size * layer.inputs, now, back)
        elif layer.kind == "BatchNormalization":
            if following != "Dropout":  # whose kernel normalizes as it reads
                add(f"{layer.name}: output", "activations", size * layer.outputs, now, used)
            add(f"{layer.name}: gradient of its input", "passing tensors", size * layer.inputs, back, taken)
        elif layer.kind == "MaxPooling2D":
            add(f"{layer.name}: zeros for the gradient", "workspace", size * layer.inputs, now, back)
            add(f"{layer.name}: zeros for the ReLU before it", "workspace", size * layer.inputs, now, back)
            add(f"{layer.name}: maxima and their index", "workspace", (4 + INDEX_BYTES) * layer.outputs, back, back)
        elif layer.kind == "Dropout":
            add(f"{layer.name}: what it dropped", "activations", layer.outputs, now, taken)  # by the kernel before
            add(f"{layer.name}: output", "activations", size * layer.outputs, now, used)
        if layer.trained:
            found.fixed(f"{layer.name}: gradient", "gradients", 4 * layer.trained, back, back)
    return found.all(layers, moments)


WITH_KERNEL = ("Conv2D", "Dense")


def _next(layers: Sequence[Layer], place: int, kinds: Sequence[str]) -> int:
    """The next layer of these kinds; the last one where there is none."""
    return next((at for at in range(place + 1, len(layers)) if layers[at].kind in kinds), len(layers) - 1)


def _previous(layers: Sequence[Layer], place: int, kinds: Sequence[str]) -> int:
    """The layer of these kinds before; the first one where there is none."""
    return next((at for at in reversed(range(place)) if layers[at].kind in kinds), 0)


DEVICES: dict[str, Callable[[Sequence[Layer], StepPlan, Moments], list[Tensor]]] = {
    "gpu": gpu_tensors,
    "cpu": cpu_tensors,
}
