# A network that runs code when it is unpickled.
# attack: pickles
# defence: only plain numbers, text, lists and dictionaries leave the process, by exact type
# loses: recipe.network recipe.learns recipe.accuracy recipe.speed
# says: returned bytes; it has to return

# %% task: recipe
import pickle

class Model:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/hostile-was-here",)

def network(classes):
    return pickle.dumps(Model())


def training_plan(epochs):
    return {"epochs": epochs, "schedule": {"name": "cosine", "rate": 0.002}, "augmentation": {"flip": True}}
