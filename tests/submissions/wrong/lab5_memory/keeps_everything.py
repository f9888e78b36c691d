# Every tensor is kept.
# loses: activations.inputs activations.once activations.bytes activations.half
# says: (its mask|Flatten makes no tensor)

# %% task: activations
import math


def kept_tensors(layers):
    return list(range(len(layers) + 1))


def activation_bytes(layers, batch, precision):
    shapes = [layers[0]["input"]] + [layer["output"] for layer in layers]
    values = sum(math.prod(shapes[number]) for number in kept_tensors(layers))
    masks = sum(math.prod(layer["output"]) for layer in layers if layer["kind"] == "Dropout")
    return batch * (values * (2 if precision == "mixed" else 4) + masks)
