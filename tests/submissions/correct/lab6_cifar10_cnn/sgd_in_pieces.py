# SGD, a rate that falls in pieces, colours that vary.

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
    return {
        "epochs": epochs,
        "optimizer": {"name": "sgd", "momentum": 0.9, "weight_decay": 0.005},
        "schedule": {"name": "piecewise", "values": [0.05, 0.01, 0.001], "at": [0.5, 0.8], "warm_up": 0.1},
        "augmentation": {"flip": True, "shift": 2, "brightness": 0.1, "contrast": 0.1},
        "label_smoothing": 0.1,
    }
