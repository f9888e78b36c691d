# Every setting written out, activations as layers of their own, tuples for lists.

# %% task: recipe
def network(classes):
    def convolution(filters, padding):
        return ({"layer": "Conv2D", "filters": filters, "kernel_size": 3, "strides": 1, "padding": padding},
                {"layer": "Activation", "activation": "relu"})
    layers = ()
    for filters in (32, 64):
        layers += (*convolution(filters, "same"), {"layer": "BatchNormalization", "momentum": 0.9},
                   *convolution(filters, "valid"), {"layer": "MaxPooling2D", "pool_size": 2, "strides": None},
                   {"layer": "Dropout", "rate": 0.2})
    return layers + ({"layer": "Flatten"}, {"layer": "Dense", "units": 512}, {"layer": "Activation", "activation": "relu"},
                     {"layer": "BatchNormalization"}, {"layer": "Dropout", "rate": 0.4},
                     {"layer": "Dense", "units": classes, "activation": "softmax"})


def training_plan(epochs):
    return {
        "epochs": epochs, "batch_size": 256, "precision": "mixed_bfloat16", "label_smoothing": 0.05,
        "optimizer": {"name": "adamw", "weight_decay": 0.03, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7},
        "schedule": {"name": "one_cycle", "rate": 6e-3, "warm_up": 0.2},
        "augmentation": {"flip": True, "shift": 3, "fill": "edge"},
    }
