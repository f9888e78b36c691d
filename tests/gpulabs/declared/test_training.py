"""A declared network learns the digits from a declared plan, in seconds on a CPU."""

import numpy as np
import pytest

from gpulabs.data import load
from gpulabs.declared import read_network, read_plan, train

SMALL = [
    {"layer": "Conv2D", "filters": 8, "kernel_size": 3, "activation": "relu"},
    {"layer": "BatchNormalization", "momentum": 0.9},
    {"layer": "MaxPooling2D"},
    {"layer": "Flatten"},
    {"layer": "Dense", "units": 10, "activation": "softmax"},
]
PLAN = {
    "optimizer": {"name": "sgd", "weight_decay": 5e-3},
    "schedule": {"name": "cosine", "rate": 0.2, "warm_up": 0.2},
    "epochs": 4,
    "batch_size": 64,
    "augmentation": {"shift": 1, "fill": "black"},
}


@pytest.fixture(scope="module")
def digits():
    split = load("digits")
    return (split.x_train * 15, split.y_train), (split.x_test * 15, split.y_test)


def test_a_plan_trains_a_network(digits):
    (x, y), test = digits
    model, history = train(read_network(SMALL, (8, 8, 1)), read_plan(PLAN), x, y, validation_data=test)
    assert model.evaluate(test[0].astype(np.float32) / 255, test[1], verbose=0)[1] > 0.85
    assert history.history["val_accuracy"][-1] > 0.85
    assert int(model.optimizer.iterations) == 4 * (1500 // 64)


def test_the_schedule_reaches_its_end(digits):
    (x, y), _ = digits
    model, _ = train(read_network(SMALL, (8, 8, 1)), read_plan({**PLAN, "epochs": 1}), x, y)
    assert float(model.optimizer.learning_rate) < 0.2 * 0.01
