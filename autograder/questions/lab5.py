"""Questions of Lab 5 about bytes from shapes: what training holds, what a backward pass needs, the peak of a step."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.evidence import Case, FaultKind
from autograder.questions.question import Question, clipped, complained, numbers
from autograder.result import Status
from autograder.rigs import Log
from autograder.verdict import Verdict
from gpulabs.layer_tables import Table, cnn_layers, table
from gpulabs.recorded_memory import recorded_on_cpu

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

SLOTS = {"sgd": 0, "momentum": 1, "adam": 2}
PRECISIONS = ("float32", "mixed")
PEAK_WITHIN = 0.15
"""Of XLA's own buffer assignment; the rules that the lab tells come within 7 %."""
POOLED_BYTES = 20
"""XLA on a CPU holds so much for each value that enters a pooling layer: its index in four dimensions, a zero for the
gradient; and for each that leaves the largest one: the maximum and its index."""


# Right answers ---------------------------------------------------------------------------------------------------


def parameters(layer: Mapping[str, Any]) -> tuple[int, int]:
    """(trained, not trained) parameters of a layer."""
    channels = layer["output"][-1]
    if layer["kind"] == "Conv2D":
        return math.prod(layer["kernel"]) * layer["input"][-1] * channels + channels, 0
    if layer["kind"] == "Dense":
        return layer["input"][0] * channels + channels, 0
    return (2 * channels, 2 * channels) if layer["kind"] == "BatchNormalization" else (0, 0)


def state_bytes(layers: Table, optimizer: str, precision: str) -> tuple[int, int, int]:
    """(parameters, gradients, optimizer state) in bytes; mixed: 16-bit copies and gradients beside float32 masters."""
    trained, others = (sum(counts) for counts in zip(*map(parameters, layers), strict=True))
    half = precision == "mixed"
    return (4 + 2 * half) * trained + 4 * others, (2 if half else 4) * trained, 4 * SLOTS[optimizer] * trained


def kept_tensors(layers: Table) -> list[int]:
    """Numbers of the tensors that the backward pass needs: 0 the images, k what layer k writes; views as origins."""
    names = _origins(layers)
    kept = {names[-1]}
    for place, layer in enumerate(layers):
        if layer["kind"] in ("Conv2D", "Dense", "BatchNormalization", "MaxPooling2D"):
            kept.add(names[place])
        if layer["relu"]:
            kept.add(names[place + 1])
    return sorted(kept)


def _origins(layers: Table) -> list[int]:
    names = [0]
    for place, layer in enumerate(layers, 1):
        names.append(names[-1] if layer["kind"] == "Flatten" else place)
    return names


def activation_bytes(layers: Table, batch: int, precision: str) -> int:
    """Bytes of the kept tensors, and a byte for each value of a dropout mask."""
    values = [math.prod(layers[0]["input"]), *(math.prod(layer["output"]) for layer in layers)]
    masks = sum(math.prod(layer["output"]) for layer in layers if layer["kind"] == "Dropout")
    item = 2 if precision == "mixed" else 4
    return batch * (item * sum(values[number] for number in kept_tensors(layers)) + masks)


def peak_bytes(layers: Table, batch: int, optimizer: str) -> int:
    """State, activations, and what XLA adds for pooling on a CPU."""
    pools = [layer for layer in layers if layer["kind"] == "MaxPooling2D"]
    entering = sum(math.prod(layer["input"]) for layer in pools)
    leaving = max((math.prod(layer["output"]) for layer in pools), default=0)
    pooling = POOLED_BYTES * batch * (entering + leaving)
    return sum(state_bytes(layers, optimizer, "float32")) + activation_bytes(layers, batch, "float32") + pooling


# Made-up networks ------------------------------------------------------------------------------------------------


def network(rng: np.random.Generator, *, relu: bool = True, dropout: bool = True) -> Table:
    """A made-up network: one or two blocks, then dense layers."""
    side = int(rng.integers(12, 41))
    texts: list[str] = []
    for number in range(int(rng.integers(1, 3))):
        filters = int(rng.choice([8, 12, 24, 48]))
        texts += [f"Conv2D {filters} {rng.choice(['same', 'valid'])}{' relu' * relu}"]
        texts += ["BatchNormalization"] * (number == 0 or bool(rng.integers(2)))
        texts += ["MaxPooling2D", *(["Dropout"] * (dropout and bool(rng.integers(2))))]
    texts += ["Flatten", f"Dense {int(rng.integers(20, 200))}{' relu' * relu}", *(["Dropout"] * dropout), "Dense 10"]
    found = table((side, side + int(rng.integers(0, 5)), int(rng.choice([1, 3]))), tuple(texts))
    for layer, text in zip(found, texts, strict=True):
        if " same" in text:
            layer["kernel"] = [int(rng.choice([1, 3, 5])), int(rng.choice([3, 5]))]
    return found


def _draw_layer(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    kinds = ("Conv2D", "Dense", "BatchNormalization", "MaxPooling2D")
    wanted = kinds[index % len(kinds)]
    while True:
        found = [layer for layer in network(rng) if layer["kind"] == wanted]
        if found:
            return (found[0],)


def _judge_parameters(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    (layer,) = case.arguments
    found, right = numbers(value, 2), parameters(layer)
    if found is None:
        text = f"returned {clipped(value)}, expected (trained, not trained), two whole numbers"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    if tuple(found) == right:
        return Verdict(Status.EARNED)
    return complained(case, f"= ({found[0]:,.0f}, {found[1]:,.0f}), expected {right}", _slip_of_count(layer, found))


def _slip_of_count(layer: Mapping[str, Any], found: list[float]) -> str:
    channels, kind = layer["output"][-1], layer["kind"]
    trained, _ = parameters(layer)
    if found[0] == trained - channels and kind in ("Conv2D", "Dense"):
        return "And a bias for each output channel."
    if kind == "Conv2D":
        return "A filter has a weight for each tap and each input channel; there is a filter for each output channel."
    if kind == "BatchNormalization":
        return "A scale and a shift for each channel are trained; a moving mean and a moving variance are not."
    return "Each output has a weight for each input, and a bias." if kind == "Dense" else "This layer learns nothing."


def _draw_state(precision: str, rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return network(rng), list(SLOTS)[::-1][index % 3], precision


def _judge_state(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    layers, optimizer, precision = case.arguments
    found, right = numbers(value, 3), state_bytes(layers, optimizer, precision)
    if found is None:
        text = f"returned {clipped(value)}, expected (parameters, gradients, optimizer_state) in bytes"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    names = ("parameters", "gradients", "optimizer state")
    for name, got, expected in zip(names, found, right, strict=True):
        if got != expected:
            text = f"gives {got:,.0f} bytes of {name}, expected {expected:,}"
            return complained(case, text, _slip_of_state(name, got, case.arguments))
    return Verdict(Status.EARNED)


def _slip_of_state(name: str, got: float, arguments: Sequence[Any]) -> str:
    layers, optimizer, precision = arguments
    trained, others = (sum(counts) for counts in zip(*map(parameters, layers), strict=True))
    if got and got * 4 == state_bytes(*arguments)[("parameters", "gradients", "optimizer state").index(name)]:
        return "A float32 takes 4 bytes."
    if name == "parameters":
        if precision == "mixed":
            return "Mixed precision keeps the float32 parameters, and beside each trained one a 16-bit copy."
        return "Moving means and variances are parameters too, though nothing trains them."
    if name == "gradients":
        if precision == "mixed":
            return "In mixed precision gradients have 16 bits, as the values that they come from."
        return "Each trained parameter has a gradient, and no other."
    if got == 4 * SLOTS[optimizer] * (trained + others):
        return "The optimizer keeps nothing for what it does not train."
    if precision == "mixed" and got == 2 * SLOTS[optimizer] * trained:
        return "The optimizer works on the float32 parameters: what it keeps is float32 as well."
    return "Adam keeps two values for each trained parameter, momentum one, plain SGD none."


# Activations -----------------------------------------------------------------------------------------------------


def _draw_kept(relu: bool, rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return (network(rng, relu=relu),)


def _judge_kept(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    (layers,) = case.arguments
    found, right = numbers(value), kept_tensors(layers)
    if found is None:
        text = f"returned {clipped(value)}, expected a list of tensor numbers, 0 the images"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    if len(set(found)) < len(found):
        twice = next(int(one) for one in found if found.count(one) > 1)
        hint = "One layer's output is the next one's input: the same tensor, kept once. A set knows that."
        return complained(case, f"names tensor {twice} more than once", hint)
    if missing := [number for number in right if number not in found]:
        text = f"leaves out tensor {missing[0]}, {_tensor(layers, missing[0])}"
        return complained(case, text, _why_kept(layers, missing[0]))
    if extra := [int(number) for number in found if number not in right]:
        text = f"keeps tensor {extra[0]}, {_tensor(layers, extra[0])}"
        return complained(case, text, _why_not(layers, extra[0]))
    return Verdict(Status.EARNED)


def _tensor(layers: Table, number: int) -> str:
    if not 0 <= number <= len(layers):
        return "which there is not"
    return f"the output of layer {number}, {layers[number - 1]['kind']}" if number else "the images"


def _why_kept(layers: Table, number: int) -> str:
    if number == _origins(layers)[-1]:
        return "The loss needs the network's last output."
    if number and layers[number - 1]["relu"]:
        return "A ReLU's output tells where the gradient passes."
    after = next(layer["kind"] for layer in layers[number:] if layer["kind"] != "Flatten")
    return f"The backward pass of {after} needs its input."


def _why_not(layers: Table, number: int) -> str:
    if 0 < number <= len(layers) and layers[number - 1]["kind"] == "Flatten":
        return "Flatten makes no tensor: its output is its input, under another shape. Take the input's number."
    if number < len(layers) and layers[number]["kind"] == "Dropout":
        return "Dropout needs its mask to send the gradient back, and nothing of its input."
    return "Which layer's backward pass would need it?"


def _draw_activations(precision: str, rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return network(rng, dropout=index % 2 == 0), int(rng.choice([32, 100, 128, 500])), precision


def _judge_activations(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    layers, batch, precision = case.arguments
    if type(value) not in (int, float) or not 0 <= value < 2**63:
        return complained(case, f"returned {clipped(value)}, expected bytes", "", FaultKind.WRONG_TYPE)
    right = activation_bytes(*case.arguments)
    if value == right:
        return Verdict(Status.EARNED)
    masks = batch * sum(math.prod(layer["output"]) for layer in layers if layer["kind"] == "Dropout")
    other = activation_bytes(layers, batch, "float32" if precision == "mixed" else "mixed")
    every = (math.prod(layer["output"]) for layer in layers)
    slips = {
        right - masks: "And the masks of Dropout: a byte for each value.",
        right
        + masks * (1 if precision == "mixed" else 3): "A mask says yes or no: one byte a value, in any precision.",
        other: "A value takes 4 bytes in float32, 2 in mixed precision.",
        right / batch: "That is one image's: how many has the batch?",
        batch * (2 if precision == "mixed" else 4) * sum(every): "That is every layer's output: some are not needed.",
    }
    text = f"= {value:,.0f}, expected {right:,}"
    return complained(case, text, slips.get(value, "Values of the kept tensors, times batch, times bytes a value."))


# The peak of a step ----------------------------------------------------------------------------------------------


def _draw_peak(name: str, rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """The ends of the recording, then any batch between."""
    batches = recorded_on_cpu(name).batches
    ends = (batches[0], batches[-1])
    batch = ends[index] if index < 2 else round(math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1]))))
    return cnn_layers(name), batch, "adam"


def _draw_other(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """A network that nobody recorded: whoever knows the recordings by heart has no rule."""
    return network(rng), int(rng.choice([64, 200, 1000, 4000])), "adam"


def _judge_peak(name: str, item: Item, case: Case, value: Any, log: Log) -> Verdict:
    _, batch, _ = case.arguments
    if type(value) not in (int, float) or not 0 <= value < 2**63:
        return complained(case, f"returned {clipped(value)}, expected bytes", "", FaultKind.WRONG_TYPE)
    right = recorded_on_cpu(name).peak_bytes(batch) if name else peak_bytes(*case.arguments)
    if abs(value / right - 1) <= PEAK_WITHIN:
        return Verdict(Status.EARNED)
    text = (
        f"= {value / 2**20:,.1f} MiB; {'XLA assigned' if name else 'the rules give'} {right / 2**20:,.1f} MiB, "
        f"which is {value / right - 1:+.0%} off ({PEAK_WITHIN:.0%} is allowed)"
    )
    return complained(case, text, _slip_of_peak(case.arguments, value))


def _slip_of_peak(arguments: Sequence[Any], value: float) -> str:
    layers, batch, optimizer = arguments
    state, kept = sum(state_bytes(layers, optimizer, "float32")), activation_bytes(layers, batch, "float32")
    pooling = peak_bytes(*arguments) - state - kept
    slips = {
        state: "Activations are most of it.",
        state + kept: "XLA's arrays for pooling are missing, which are more than half of it on a CPU.",
        state + pooling: "The activations that are kept for the backward pass are missing.",
        pooling + kept: "Parameters, gradients and optimizer state are missing.",
    }
    near = {told: abs(value / sum_ - 1) for sum_, told in slips.items()}
    best = min(near, key=near.__getitem__)
    return best if near[best] < 0.02 else "Print the three parts: state, activations, pooling. Which one is off?"


QUESTIONS = (
    Question("layer_parameters", _draw_layer, _judge_parameters),
    Question("state_float32", functools.partial(_draw_state, "float32"), _judge_state),
    Question("state_mixed", functools.partial(_draw_state, "mixed"), _judge_state),
    Question("kept_inputs", functools.partial(_draw_kept, False), _judge_kept),
    Question("kept_relu", functools.partial(_draw_kept, True), _judge_kept),
    Question("activations_float32", functools.partial(_draw_activations, "float32"), _judge_activations),
    Question("activations_mixed", functools.partial(_draw_activations, "mixed"), _judge_activations),
    Question("peak_lab_cnn", functools.partial(_draw_peak, "lab_cnn"), functools.partial(_judge_peak, "lab_cnn")),
    Question("peak_small_cnn", functools.partial(_draw_peak, "small_cnn"), functools.partial(_judge_peak, "small_cnn")),
    Question("peak_other", _draw_other, functools.partial(_judge_peak, "")),
)
