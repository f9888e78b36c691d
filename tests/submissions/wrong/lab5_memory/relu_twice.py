# A list and no set: what two layers need is there twice.
# loses: activations.once activations.bytes activations.half
# says: kept once

# %% task: activations
import math


def kept_tensors(layers):
    kept, before = [], 0
    for number, layer in enumerate(layers, 1):
        after = before if layer["kind"] == "Flatten" else number
        if layer["kind"] not in ("Flatten", "Dropout"):
            kept.append(before)
        if layer["relu"]:
            kept.append(after)
        before = after
    return sorted(kept + [before])


def activation_bytes(layers, batch, precision):
    shapes = [layers[0]["input"]] + [layer["output"] for layer in layers]
    values = sum(math.prod(shapes[number]) for number in kept_tensors(layers))
    masks = sum(math.prod(layer["output"]) for layer in layers if layer["kind"] == "Dropout")
    return batch * (values * (2 if precision == "mixed" else 4) + masks)
