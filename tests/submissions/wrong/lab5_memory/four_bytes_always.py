# Sixteen bits take four bytes.
# loses: activations.half
# says: 2 in mixed precision

# %% task: activations
import math


def kept_tensors(layers):
    kept, before = set(), 0
    for number, layer in enumerate(layers, 1):
        after = before if layer["kind"] == "Flatten" else number
        if layer["kind"] not in ("Flatten", "Dropout"):
            kept.add(before)
        if layer["relu"]:
            kept.add(after)
        before = after
    return sorted(kept | {before})


def activation_bytes(layers, batch, precision):
    shapes = [layers[0]["input"]] + [layer["output"] for layer in layers]
    values = sum(math.prod(shapes[number]) for number in kept_tensors(layers))
    masks = sum(math.prod(layer["output"]) for layer in layers if layer["kind"] == "Dropout")
    return batch * (values * 4 + masks)
