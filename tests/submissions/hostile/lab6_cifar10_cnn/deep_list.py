# Lists in lists without end.
# attack: compile bombs
# defence: depth and number of values are limited before they leave the process
# loses: recipe.network recipe.learns recipe.accuracy recipe.speed
# says: nested more than

# %% task: recipe
def network(classes):
    deep = []
    for _ in range(100000):
        deep = [deep]
    return deep


def training_plan(epochs):
    return {"epochs": epochs, "schedule": {"name": "cosine", "rate": 0.002}, "augmentation": {"flip": True}}
