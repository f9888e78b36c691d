"""One training step of a network, compiled by XLA: what `gpulabs memory` and `gpulabs bench batch` measure.

The batch lies in the device's memory before the first step, so a step is the network and the optimizer, without an
input pipeline. TensorFlow is imported when a step is built.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gpulabs.errors import BadInputError

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
"""Name on the command line -> Keras dtype policy. In the mixed ones variables stay float32."""
OPTIMIZERS = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2}
"""Name -> slots: values that the optimizer keeps beside each trained parameter."""
NETWORKS = ("lab_cnn", "small_cnn")
LARGEST_BATCH = 1 << 20


@dataclass(frozen=True)
class StepPlan:
    """What one step trains, and how.

    Attributes:
        batch: Images a step.
        precision: One of `PRECISIONS`.
        optimizer: One of `OPTIMIZERS`.
        recompute: Whether the convolution blocks compute their activations again for the backward pass.
        network: One of `NETWORKS`.
        tf32: Whether float32 convolutions and products may use TF32 tensor cores; TensorFlow's own default.
    """

    batch: int
    precision: str = "float32"
    optimizer: str = "adam"
    recompute: bool = False
    network: str = "lab_cnn"
    tf32: bool = True

    def __post_init__(self) -> None:
        """Checks every field, so that no process starts for a plan that can't run."""
        if not 1 <= self.batch <= LARGEST_BATCH:
            raise BadInputError(f"batch {self.batch}: give a number from 1 to {LARGEST_BATCH}")
        for name, known in (("precision", PRECISIONS), ("optimizer", OPTIMIZERS), ("network", NETWORKS)):
            if (value := getattr(self, name)) not in known:
                raise BadInputError(f"{name} {value!r}: there are {', '.join(known)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def network(plan: StepPlan) -> Any:
    """Builds the plan's network, not compiled.

    Returns:
        A `keras.Model` from (N, H, W, C) float32 to (N, classes) float32 probabilities.
    """
    from gpulabs.networks import lab_cnn

    policy = PRECISIONS[plan.precision]
    return lab_cnn(precision=policy) if plan.network == "lab_cnn" else lab_cnn((16, 16, 3), precision=policy)


def optimizer(plan: StepPlan) -> Any:
    """Builds the plan's optimizer; float16 gets dynamic loss scaling."""
    import keras

    made = {
        "sgd": lambda: keras.optimizers.SGD(1e-3),
        "momentum": lambda: keras.optimizers.SGD(1e-3, momentum=0.9),
        "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
        "adam": lambda: keras.optimizers.Adam(1e-3),
    }[plan.optimizer]()
    return keras.optimizers.LossScaleOptimizer(made) if plan.precision == "float16" else made


def training_step(plan: StepPlan, model: Any, chosen: Any, jit: bool = True) -> Any:
    """Makes one XLA program of forward pass, backward pass and update.

    Args:
        plan: Says whether activations are computed again.
        model: From `network`.
        chosen: From `optimizer`, built for the model's variables.
        jit: Whether XLA compiles it; if not, TensorFlow runs it operation by operation.

    Returns:
        A `tf.function` of a batch (N, H, W, C) float32 and its labels (N,) int32; its value is the loss, a scalar.
    """
    import keras
    import tensorflow as tf

    loss_of = keras.losses.SparseCategoricalCrossentropy()

    @tf.function(jit_compile=jit)  # type: ignore[untyped-decorator]
    def step(x: Any, y: Any) -> Any:
        forward = forward_pass(model, plan.recompute)
        with tf.GradientTape() as tape:
            loss = loss_of(y, forward(x))
            scaled = chosen.scale_loss(loss) if plan.precision == "float16" else loss
        gradients = tape.gradient(scaled, model.trainable_variables)
        chosen.apply(gradients, model.trainable_variables)
        return loss

    return step


def segments(kinds: Sequence[str]) -> list[tuple[bool, range]]:
    """Cuts a sequential network into what is computed again for the backward pass and what is not.

    A segment that is computed again goes from a convolution to the pooling layer that makes its output small. Dropout
    stays outside: run twice, it would drop other values the second time. So does what follows the last pooling layer:
    its backward pass comes at once, so that nothing would be saved.

    Args:
        kinds: Classes of the layers, e.g. `Conv2D`.

    Returns:
        (computed again, places of its layers), in order.

    Example:
        >>> segments(["Conv2D", "MaxPooling2D", "Dropout", "Dense"])
        [(True, range(0, 2)), (False, range(2, 3)), (False, range(3, 4))]
    """
    found, start = [], 0
    for place, kind in enumerate(kinds):
        if kind.startswith("MaxPooling"):
            found.append((True, range(start, place + 1)))
        elif kind == "Dropout":
            found += [(False, range(start, place)), (False, range(place, place + 1))]
        else:
            continue
        start = place + 1
    found.append((False, range(start, len(kinds))))
    return [(again, places) for again, places in found if places]


def forward_pass(model: Any, recompute: bool) -> Callable[[Any], Any]:
    """The network's forward pass in training; with `recompute` it keeps only what leaves each segment.

    Make one for every trace: a segment counts its runs, because the second, for the backward pass, must not move
    BatchNorm's statistics again.
    """
    if not recompute:
        return lambda x: model(x, training=True)
    import tensorflow as tf

    parts = []
    for again, places in segments([type(layer).__name__ for layer in model.layers]):
        part = _segment([model.layers[place] for place in places])
        parts.append(tf.recompute_grad(part) if again else part)

    def forward(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return forward


def _segment(layers: list[Any]) -> Callable[[Any], Any]:
    runs = 0

    def run(x: Any) -> Any:
        nonlocal runs
        runs += 1
        with _statistics_held(layers) if runs > 1 else contextlib.nullcontext():
            for layer in layers:
                takes_training = type(layer).__name__ in ("BatchNormalization", "Dropout")
                x = layer(x, training=True) if takes_training else layer(x)
        return x

    return run


@contextlib.contextmanager
def _statistics_held(layers: list[Any]) -> Iterator[None]:
    """With momentum 1, BatchNorm's moving averages stay where they are."""
    normalizations = [layer for layer in layers if type(layer).__name__ == "BatchNormalization"]
    before = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 1.0
    try:
        yield
    finally:
        for layer, momentum in zip(normalizations, before, strict=True):
            layer.momentum = momentum
