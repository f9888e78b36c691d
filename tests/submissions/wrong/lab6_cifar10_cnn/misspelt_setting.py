# A setting that there is not.
# loses: recipe.plan recipe.decays recipe.varied recipe.learns recipe.accuracy recipe.speed
# says: 'learning_rate' is no setting of it

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
    return {"epochs": epochs, "learning_rate": 0.002}
