# The schedule rises and stays.
# loses: recipe.decays
# says: ends at 100% of its largest value

# %% task: recipe
def network(classes):
    layers = []
    for filters in (32, 64):
        convolution = {"layer": "Conv2D", "filters": filters, "kernel_size": 3, "activation": "relu"}
        layers += [{**convolution, "padding": "same"}, {"layer": "BatchNormalization"}, convolution]
        layers += [{"layer": "MaxPooling2D"}, {"layer": "Dropout", "rate": 0.25}]
    layers += [{"layer": "Flatten"}, {"layer": "Dense", "units": 512, "activation": "relu"}]
    layers += [{"layer": "BatchNormalization"}, {"layer": "Dropout", "rate": 0.5}]
    return [*layers, {"layer": "Dense", "units": classes, "activation": "softmax"}]


def training_plan(epochs):
    return {"epochs": epochs, "schedule": {"name": "constant", "rate": 0.001, "warm_up": 0.1}, "augmentation": {"flip": True}}
