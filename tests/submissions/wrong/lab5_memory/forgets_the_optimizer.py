# The optimizer keeps nothing.
# loses: state.float32 state.mixed
# says: Adam keeps two

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
    return (6 if half else 4) * trained + 4 * others, (2 if half else 4) * trained, 0
