"""The tensors of a training step as data: what a layer is, what a tensor is, the order in which a step makes them.

`gpulabs.lifetimes` says which tensors there are on a GPU and on a CPU; `gpulabs.memory` adds them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gpulabs.training_step import segments

PARTS = ("parameters", "optimizer state", "gradients", "inputs", "activations", "passing tensors", "workspace")
"""Where memory goes: variables of the network; what the optimizer keeps beside them; gradients of parameters; the
batch; what the forward pass keeps for the backward pass; what only the next layer needs; scratch space."""


@dataclass(frozen=True)
class Layer:
    """What the model needs to know of a layer.

    Attributes:
        name: Short, with its number among its kind: `conv1`.
        kind: Keras's class, e.g. `Conv2D`.
        inputs: Values that enter it, of one image.
        outputs: Values that leave it, of one image.
        channels: Of its output.
        trained: Trained parameters.
        statistics: Parameters that are not trained: moving means and variances.
        relu: Whether it ends in a ReLU.
        item_bytes: Of a value that it computes: 4 in float32, 2 in mixed precision.
    """

    name: str
    kind: str
    inputs: int
    outputs: int
    channels: int
    trained: int = 0
    statistics: int = 0
    relu: bool = False
    item_bytes: int = 4


@dataclass(frozen=True)
class Tensor:
    """A tensor of a step.

    Attributes:
        name: What it is, for people.
        part: One of `PARTS`.
        size: Bytes.
        born: Moment in which it is written; see `Moments`.
        dies: Last moment in which it is read.
    """

    name: str
    part: str
    size: int
    born: int
    dies: int


@dataclass(frozen=True)
class Moments:
    """The order of a step: layers forward, layers backward, update; segments forward again before they go backward.

    Attributes:
        steps: (pass, place of the layer) in order; the pass is `forward`, `again` or `backward`. Moment 0 is before the
            first, the last one is the update.
    """

    steps: tuple[tuple[str, int], ...]

    def forward(self, place: int) -> int:
        """The moment of a layer's forward pass."""
        return self.steps.index(("forward", place)) + 1

    def again(self, place: int) -> int:
        """The moment in which a layer runs forward a second time.

        Raises:
            ValueError: It doesn't.
        """
        return self.steps.index(("again", place)) + 1

    def backward(self, place: int) -> int:
        """The moment of a layer's backward pass."""
        return self.steps.index(("backward", place)) + 1

    @property
    def update(self) -> int:
        """The moment in which the optimizer updates the parameters, the last one."""
        return len(self.steps) + 1


def moments_of(layers: Sequence[Layer], recompute: bool) -> Moments:
    """The order of a step of a network."""
    steps = [("forward", place) for place in range(len(layers))]
    for again, places in reversed(segments([layer.kind for layer in layers])):
        if recompute and again:
            steps += [("again", place) for place in places]
        steps += [("backward", place) for place in reversed(places)]
    return Moments(tuple(steps))


def computed_again(tensors: Sequence[tuple[int, Tensor]], layers: Sequence[Layer], moments: Moments) -> list[Tensor]:
    """Lifetimes when segments are computed again for the backward pass.

    In a segment's first run nothing is kept, a tensor only serves the next layer; in the second all is written again,
    and kept as it would have been without recomputation.

    Args:
        tensors: (place of the layer that writes it, tensor), as without recomputation.
        layers: The network.
        moments: Its order, with the second runs.
    """
    found = []
    segment_of = {
        place: places for again, places in segments([layer.kind for layer in layers]) if again for place in places
    }
    for place, tensor in tensors:
        if place not in segment_of or tensor.born >= moments.backward(segment_of[place][-1]):
            found.append(tensor)
            continue
        first, last = segment_of[place][0], segment_of[place][-1]
        end, shift = moments.forward(last), moments.again(first) - moments.forward(first)
        dies = tensor.dies if tensor.dies > end + 1 else tensor.dies + shift
        if tensor.born == 0:  # made once, before the first run
            found.append(replace(tensor, dies=dies))
        else:
            if tensor.part != "workspace":  # scratch space is of the gradient
                passing = "passing tensors" if tensor.part == "activations" else tensor.part
                found.append(replace(tensor, part=passing, dies=min(tensor.dies, tensor.born + 1)))
            found.append(replace(tensor, born=tensor.born + shift, dies=dies))
    return found
