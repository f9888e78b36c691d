# Mixed precision halves all, masters and optimizer too.
# loses: state.mixed
# says: float32

# %% task: state
import math


def parameters(layer):
    kind, channels = layer["kind"], layer["output"][-1]
    if kind == "Conv2D":
        return (math.prod(layer["kernel"]) * layer["input"][-1] + 1) * channels, 0
    if kind == "Dense":
        return (layer["input"][0] + 1) * channels, 0
    if kind == "BatchNormalization":
        return 2 * channels, 2 * channels
    return 0, 0


def state_bytes(layers, optimizer, precision):
    trained = sum(parameters(layer)[0] for layer in layers)
    others = sum(parameters(layer)[1] for layer in layers)
    half = precision == "mixed"
    slots = {"sgd": 0, "momentum": 1, "adam": 2}[optimizer]
    return (2 if half else 4) * (trained + others), (2 if half else 4) * trained, (2 if half else 4) * slots * trained
