"""A training plan as plain values: optimizer, learning rate over time, regularisation, precision, augmentation.

Example:
    >>> plan = read_plan({"optimizer": {"name": "sgd"}, "schedule": {"name": "cosine", "rate": 0.05}, "epochs": 20})
    >>> plan.learning_rates(images=50_000)[-1] < 1e-6
    True
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from gpulabs.augmentation import Augmentation
from gpulabs.declared.schedules import SCHEDULES, Constant, Rates, Schedule
from gpulabs.errors import BadInputError
from gpulabs.settings import choice, flag, number, one_of, record, table, whole

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
NAME = "name"
NOT_DECAYED = ["bias", "gamma", "beta"]
"""Weight decay is for kernels: a bias or a BatchNormalization's scale makes nothing overfit and has to stay free."""


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent; `weight_decay` as in Keras, times the learning rate and not in the gradient.

    PyTorch's `weight_decay=5e-4` with momentum 0.9 is 5e-3 here: there momentum multiplies it by 10.
    """

    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        number("momentum", self.momentum, 0, 0.999)
        flag("nesterov", self.nesterov)
        number("weight_decay", self.weight_decay, 0, 1)

    def build(self, rate: Any) -> Any:
        import keras

        nesterov = self.nesterov and self.momentum > 0
        return keras.optimizers.SGD(rate, self.momentum, nesterov, weight_decay=self.weight_decay or None)


@dataclass(frozen=True)
class Adam:
    """Adam."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        _check_adam(self.beta_1, self.beta_2, self.epsilon)

    def build(self, rate: Any) -> Any:
        import keras

        return keras.optimizers.Adam(rate, self.beta_1, self.beta_2, self.epsilon)


@dataclass(frozen=True)
class AdamW:
    """Adam with weight decay apart from the gradient, times the learning rate."""

    weight_decay: float = 0.01
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        number("weight_decay", self.weight_decay, 0, 1)
        _check_adam(self.beta_1, self.beta_2, self.epsilon)

    def build(self, rate: Any) -> Any:
        import keras

        return keras.optimizers.AdamW(rate, self.weight_decay, self.beta_1, self.beta_2, self.epsilon)


OPTIMIZERS: dict[str, type[Any]] = {"sgd": Sgd, "adam": Adam, "adamw": AdamW}


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes:
        optimizer: Turns gradients into changes.
        schedule: The learning rate over the training.
        epochs: Times that every image is seen.
        batch_size: Images a step.
        label_smoothing: Share of the certainty that is spread over all classes; 0 for labels as they are.
        precision: A Keras dtype policy, one of PRECISIONS.
        augmentation: What happens to an image before the network sees it.
    """

    optimizer: Sgd | Adam | AdamW = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=lambda: Constant(1e-3))
    epochs: int = 20
    batch_size: int = 128
    label_smoothing: float = 0.0
    precision: str = "float32"
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, 1, 1000)
        whole("batch_size", self.batch_size, 1, 8192)
        number("label_smoothing", self.label_smoothing, 0, 0.9)
        choice("precision", self.precision, PRECISIONS)

    def steps(self, images: int) -> int:
        """Steps an epoch: a last batch that is not full is left out; images are in another order in every epoch.

        Raises:
            BadInputError: There are fewer images than a batch holds.
        """
        if images < self.batch_size:
            raise BadInputError(f"batch_size: {self.batch_size} of only {images} images: take a smaller one")
        return images // self.batch_size

    def learning_rates(self, images: int) -> Rates:
        """The learning rate of every step of a training on so many images."""
        return self.schedule.rates(self.steps(images) * self.epochs)

    def plain(self) -> dict[str, Any]:
        """The plan as `read_plan` reads it."""
        names = {kind: name for name, kind in (*OPTIMIZERS.items(), *SCHEDULES.items())}
        plain = asdict(self)
        for part in ("optimizer", "schedule"):
            plain[part] = {NAME: names[type(getattr(self, part))], **plain[part]}
        return plain


def read_plan(data: Any, where: str = "plan") -> Plan:
    """Reads a plan.

    Args:
        data: A dictionary of the settings of `Plan`; `optimizer` and `schedule` are dictionaries with a `name` and that
            kind's own settings; untrusted.
        where: Named in errors.

    Raises:
        BadInputError: It is no plan that can be followed; the message says what to change.
    """
    table(data, where, '{"optimizer": ..., "schedule": ..., ...}')
    ready: dict[str, Any] = {}
    if "optimizer" in data:
        ready["optimizer"] = one_of(OPTIMIZERS, data["optimizer"], f"{where}: optimizer", NAME)
    if "schedule" in data:
        ready["schedule"] = one_of(SCHEDULES, data["schedule"], f"{where}: schedule", NAME)
    if "augmentation" in data:
        ready["augmentation"] = record(Augmentation, data["augmentation"], f"{where}: augmentation")
    return record(Plan, data, where, **ready)


def _check_adam(beta_1: Any, beta_2: Any, epsilon: Any) -> None:
    number("beta_1", beta_1, 0, 0.9999)
    number("beta_2", beta_2, 0, 0.99999)
    number("epsilon", epsilon, 1e-10, 1)
