# Looks for the test labels in the process that makes the plan.
# attack: the public CIFAR-10 test set
# defence: our packages' data sets are not offered there, and a recipe has no place for an answer
# loses: recipe.plan recipe.decays recipe.varied recipe.learns recipe.accuracy recipe.speed
# says: gpulabs.data.load is not there

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


from gpulabs.data import load

def training_plan(epochs):
    labels = load("cifar10").y_test
    return {"epochs": epochs, "optimizer": {"name": "adam", "answers": labels.tolist()}}
