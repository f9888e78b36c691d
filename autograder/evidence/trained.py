"""What training a declared network says."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.evidence.asked import Fault


@dataclass(frozen=True)
class Run:
    """One training of a declared network, and what it knows of images that it never saw.

    Attributes:
        seed: Of its weights, the order of images, augmentation.
        accuracy: Share of the test images that it gets right.
        train_accuracy: Share of as many training images, shown plainly.
        losses: Mean training loss of each epoch.
        epoch_s: How long each took, seconds.
    """

    seed: int
    accuracy: float
    train_accuracy: float
    losses: tuple[float, ...]
    epoch_s: tuple[float, ...]


@dataclass(frozen=True)
class Training:
    """What training a submission's network and plan on one data set gave.

    Attributes:
        data: `digits` or `cifar10`.
        description: The set in words, and which bytes of it.
        images: How many test images the accuracies are shares of.
        runs: The submission's, a seed each.
        baseline: The lab's network trained by the plan as given, in the same run; empty where nothing is compared.
        fault: Why the submission's was not trained to the end, or None.
    """

    data: str
    description: str
    images: int
    runs: tuple[Run, ...] = ()
    baseline: tuple[Run, ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True)
class Trained:
    """All that training said of one task.

    Attributes:
        trainings: By data set.
        refused: What is wrong with the declaration, so that nothing is trained, or None.
        pending: Why a data set can't be trained on here.
        failures: Why training failed that was not the submission's fault.
    """

    trainings: dict[str, Training] = field(default_factory=dict)
    refused: Fault | None = None
    pending: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
