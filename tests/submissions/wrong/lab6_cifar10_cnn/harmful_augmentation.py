# Pictures upside down, and half of them out of the frame.
# loses: recipe.varied recipe.learns
# loses on gpu: recipe.accuracy
# says: rotate = 180

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
    return {"epochs": epochs, "schedule": {"name": "cosine", "rate": 0.002}, "augmentation": {"rotate": 180, "shift": 16, "fill": "black"}}
