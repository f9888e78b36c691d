# A network of terabytes.
# attack: host memory
# defence: parameters, products and values are counted before anything is allocated
# loses: recipe.network recipe.learns recipe.accuracy recipe.speed
# says: at most

# %% task: recipe
def network(classes):
    wide = {"layer": "Dense", "units": 65536, "activation": "relu"}
    return [{"layer": "Flatten"}, *[wide] * 50, {"layer": "Dense", "units": classes, "activation": "softmax"}]


def training_plan(epochs):
    return {"epochs": epochs, "schedule": {"name": "cosine", "rate": 0.002}, "augmentation": {"flip": True}}
