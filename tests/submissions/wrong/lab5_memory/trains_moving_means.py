# A gradient trains moving means and variances too.
# loses: state.counts state.float32 state.mixed
# says: a moving mean and a moving variance are not

# %% task: state
import math


def parameters(layer):
    kind, channels = layer["kind"], layer["output"][-1]
    if kind == "Conv2D":
        return (math.prod(layer["kernel"]) * layer["input"][-1] + 1) * channels, 0
    if kind == "Dense":
        return (layer["input"][0] + 1) * channels, 0
    if kind == "BatchNormalization":
        return 4 * channels, 0
    return 0, 0


def state_bytes(layers, optimizer, precision):
    trained = sum(parameters(layer)[0] for layer in layers)
    others = sum(parameters(layer)[1] for layer in layers)
    half = precision == "mixed"
    slots = {"sgd": 0, "momentum": 1, "adam": 2}[optimizer]
    return (6 if half else 4) * trained + 4 * others, (2 if half else 4) * trained, 4 * slots * trained
