"""How much memory a training step takes, and why: a model from the shapes of a network's layers.

Every tensor of a step has a size and a lifetime. Variables live always; an activation lives from its layer's forward
pass to its backward pass, because the gradient needs it; others come and go within a layer. Memory in use at a moment
is the sum over the tensors alive then, and the peak is its maximum: usually where the forward pass ends, and everything
that was kept is there.

    layers = layers_of(model)
    found = predict(layers, StepPlan(batch=128), device="gpu")
    found.peak_bytes, found.parts

`gpulabs.lifetimes` says which tensors there are; this module adds them up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpulabs.errors import BadInputError
from gpulabs.lifetimes import DEVICES, PARTS, Layer, Moments, Tensor, moments_of
from gpulabs.training_step import LARGEST_BATCH, OPTIMIZERS, StepPlan


@dataclass(frozen=True)
class Compared:
    """What predictions were held against.

    Attributes:
        within: Largest relative error for the labs' CNN.
        what: What they were compared with.
        worst: The worst error known beyond that, in words.
    """

    within: float
    what: str
    worst: str


COMPARED = {
    "cpu": Compared(
        0.06,
        "XLA's plan on a CPU, batch 8 to 2048, three precisions, some with recomputation",
        "at batch 1 they were off by up to 7 MB",
    ),
    "gpu": Compared(
        0.04,
        "XLA's plan for an H200, batch 128 to 8192, three precisions, some with recomputation",
        "worst known: small_cnn at batch 128, 7 % too low",
    ),
}
ONLY_ADAM = "All of it with Adam; other optimizers were not compared."


@dataclass(frozen=True)
class Prediction:
    """What the model says of a plan.

    Attributes:
        plan: The plan.
        device: `gpu` or `cpu`.
        peak_bytes: The most memory in use at once.
        parts: Part -> bytes alive at the peak; they sum to the peak.
        whole: Part -> bytes of all its tensors, alive at once or not.
        moment: Where in the step the peak is, in words.
        timeline: (moment in words, part -> bytes) for every moment of the step.
        tensors: The largest tensors alive at the peak, from large to small.
    """

    plan: StepPlan
    device: str
    peak_bytes: int
    parts: dict[str, int]
    whole: dict[str, int]
    moment: str
    timeline: tuple[tuple[str, dict[str, int]], ...]
    tensors: tuple[Tensor, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "plan": self.plan.as_dict(),
            "device": self.device,
            "peak_bytes": self.peak_bytes,
            "parts_at_peak_bytes": self.parts,
            "parts_whole_bytes": self.whole,
            "moment": self.moment,
            "timeline": [{"moment": moment, "bytes": sum(parts.values())} for moment, parts in self.timeline],
        }


def predict(
    layers: Sequence[Layer], plan: StepPlan, device: str, workspaces: Mapping[str, int] | None = None
) -> Prediction:
    """Predicts the memory of one training step.

    Args:
        layers: From `layers_of`, in the plan's precision.
        plan: Batch, precision, optimizer, recomputation.
        device: `gpu` or `cpu`: XLA writes other intermediate tensors on each.
        workspaces: Moment, as in `moment_names` -> bytes of scratch space there, measured; no rule gives that of cuDNN
            and cuBLAS, which a GPU finds by trying kernels out.

    Raises:
        BadInputError: There are no layers, or the device is unknown.
    """
    if not layers:
        raise BadInputError("memory model: the network has no layers")
    if device not in DEVICES:
        raise BadInputError(f"memory model: device {device!r}; there are {', '.join(DEVICES)}")
    moments = moments_of(layers, plan.recompute)
    names = moment_names(layers, moments)
    tensors = [*variables(layers, plan, moments), *DEVICES[device](layers, plan, moments)]
    tensors += [
        Tensor(f"{name}: scratch space of a library", "workspace", size, moment, moment)
        for moment, name in enumerate(names)
        if (size := (workspaces or {}).get(name.replace("again,", "forward,"), 0))
    ]
    timeline = tuple((name, _alive(tensors, moment)) for moment, name in enumerate(names))
    moment = max(range(len(timeline)), key=lambda at: sum(timeline[at][1].values()))
    whole = dict.fromkeys(PARTS, 0)
    for tensor in tensors:
        whole[tensor.part] += tensor.size
    return Prediction(
        plan,
        device,
        sum(timeline[moment][1].values()),
        timeline[moment][1],
        whole,
        names[moment],
        timeline,
        tuple(sorted((t for t in tensors if t.born <= moment <= t.dies), key=lambda t: -t.size)),
    )


def _alive(tensors: Sequence[Tensor], moment: int) -> dict[str, int]:
    found = dict.fromkeys(PARTS, 0)
    for tensor in tensors:
        if tensor.born <= moment <= tensor.dies:
            found[tensor.part] += tensor.size
    return found


def moment_names(layers: Sequence[Layer], moments: Moments) -> list[str]:
    """A name for every moment of a step, in order."""
    return ["start", *(f"{step}, {layers[place].name}" for step, place in moments.steps), "update"]


def variables(layers: Sequence[Layer], plan: StepPlan, moments: Moments) -> list[Tensor]:
    """What lives from the first step to the last: float32 in every precision."""
    trained = sum(layer.trained for layer in layers)
    statistics = sum(layer.statistics for layer in layers)
    slots = OPTIMIZERS[plan.optimizer]
    return [
        Tensor("parameters", "parameters", 4 * (trained + statistics), 0, moments.update),
        Tensor(f"{slots} slots of {plan.optimizer}", "optimizer state", 4 * slots * trained, 0, moments.update),
        Tensor("images", "inputs", 4 * plan.batch * layers[0].inputs, 0, moments.update),
        Tensor("labels", "inputs", 4 * plan.batch, 0, moments.update),
    ]


def layers_of(model: Any) -> tuple[Layer, ...]:
    """Reads the layers of a sequential Keras model.

    Args:
        model: Built, with an input shape.

    Raises:
        BadInputError: A layer has several inputs, or none of a fixed shape.
    """
    found: list[Layer] = []
    for layer in model.layers:
        shapes = layer.input.shape, layer.output.shape
        if any(not isinstance(shape, tuple) or None in shape[1:] for shape in shapes):
            raise BadInputError(f"memory model: layer {layer.name} has no fixed shape, or several inputs or outputs")
        inputs, outputs = (_product(shape[1:]) for shape in shapes)
        trained = sum(_product(weight.shape) for weight in layer.trainable_weights)
        statistics = sum(_product(w.shape) for w in layer.non_trainable_weights if "seed" not in w.path)
        found.append(
            Layer(
                _short_name(type(layer).__name__, found),
                type(layer).__name__,
                inputs,
                outputs,
                int(shapes[1][-1]),
                trained,
                statistics,
                getattr(getattr(layer, "activation", None), "__name__", "") == "relu",
                2 if layer.compute_dtype in ("float16", "bfloat16") else 4,
            )
        )
    return tuple(found)


SHORT_NAMES = {"Conv2D": "conv", "BatchNormalization": "norm", "MaxPooling2D": "pool", "Dropout": "dropout"}


def _short_name(kind: str, before: Sequence[Layer]) -> str:
    number = 1 + sum(layer.kind == kind for layer in before)
    return f"{SHORT_NAMES.get(kind, kind.lower())}{number}"


def _product(shape: Sequence[int]) -> int:
    product = 1
    for extent in shape:
        product *= int(extent)
    return product


def largest_batch(peak_of: Callable[[int], int], limit_bytes: int) -> int:
    """The largest batch whose predicted peak is within a limit; 0 if not even one image fits.

    Args:
        peak_of: Batch -> predicted bytes; grows with the batch.
        limit_bytes: Memory that may be used.

    Example:
        >>> largest_batch(lambda batch: 100 + 10 * batch, 1000)
        90
    """
    low, high = 0, 1
    while high <= LARGEST_BATCH and peak_of(high) <= limit_bytes:
        low = high
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if peak_of(middle) <= limit_bytes else (low, middle)
    return low
