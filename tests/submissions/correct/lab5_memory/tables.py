# Rules as tables, loops as sums.

# %% task: state
from math import prod

SLOTS = dict(sgd=0, momentum=1, adam=2)


def parameters(layer):
    channels, entering = layer["output"][-1], layer["input"][-1]
    trained = {
        "Conv2D": prod(layer.get("kernel", [0])) * entering * channels + channels,
        "Dense": entering * channels + channels,
        "BatchNormalization": channels * 2,
    }
    return [trained.get(layer["kind"], 0), 2 * channels if layer["kind"] == "BatchNormalization" else 0]


def state_bytes(layers, optimizer, precision):
    counts = [parameters(layer) for layer in layers]
    trained, others = map(sum, zip(*counts))
    copies, gradient = ([4], 4) if precision == "float32" else ([4, 2], 2)
    return [trained * sum(copies) + others * 4, trained * gradient, trained * SLOTS[optimizer] * 4]

# %% task: activations
from math import prod

NEEDS_INPUT = {"Conv2D": 1, "Dense": 1, "BatchNormalization": 1, "MaxPooling2D": 1, "Dropout": 0, "Flatten": 0}


def origin(layers, number):
    while number and layers[number - 1]["kind"] == "Flatten":
        number -= 1
    return number


def kept_tensors(layers):
    needed = {place for place, layer in enumerate(layers) if NEEDS_INPUT[layer["kind"]]}
    needed |= {place + 1 for place, layer in enumerate(layers) if layer["relu"]} | {len(layers)}
    return list({origin(layers, number) for number in needed})


def activation_bytes(layers, batch, precision):
    def values(number):
        return prod(layers[number - 1]["output"] if number else layers[0]["input"])

    item = {"float32": 4, "mixed": 2}[precision]
    total = item * sum(map(values, kept_tensors(layers)))
    return int(batch * (total + sum(prod(one["input"]) for one in layers if one["kind"] == "Dropout")))
