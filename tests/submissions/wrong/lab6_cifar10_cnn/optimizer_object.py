# An object where a description is asked for.
# loses: recipe.plan recipe.decays recipe.varied recipe.learns recipe.accuracy recipe.speed
# says: returned Adam; it has to return numbers, text, or lists and dictionaries

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


class Adam:
    rate = 0.002

def training_plan(epochs):
    return {"epochs": epochs, "optimizer": Adam(), "schedule": {"name": "cosine", "rate": 0.002}, "augmentation": {"flip": True}}
