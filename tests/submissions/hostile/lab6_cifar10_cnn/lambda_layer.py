# A Keras Lambda layer with code in its configuration.
# attack: Keras Lambda layers and model files
# defence: layers come from a list, by name; nothing is ever deserialised
# loses: recipe.network recipe.learns recipe.accuracy recipe.speed
# says: 'Lambda' is unknown

# %% task: recipe
CODE = "4wEAAAAAAAAAAAAAAAEAAAADAAAAcw"

def network(classes):
    return [{"layer": "Lambda", "function": CODE, "module": "os", "class_name": "__lambda__"},
            {"layer": "Flatten"}, {"layer": "Dense", "units": classes, "activation": "softmax"}]


def training_plan(epochs):
    return {"epochs": epochs, "schedule": {"name": "cosine", "rate": 0.002}, "augmentation": {"flip": True}}
