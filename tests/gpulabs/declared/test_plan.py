"""A declared plan: read strictly, its learning rates by hand, compiled as it says."""

import json
import math

import numpy as np
import pytest

from gpulabs.augmentation import Augmentation
from gpulabs.declared import Plan, compile_model, read_network, read_plan
from gpulabs.declared.plan import Adam, AdamW, Sgd
from gpulabs.declared.schedules import SCHEDULES, Constant, Cosine, Linear, OneCycle, Piecewise
from gpulabs.errors import BadInputError

FULL = {
    "optimizer": {"name": "sgd", "momentum": 0.8, "nesterov": False, "weight_decay": 5e-3},
    "schedule": {"name": "piecewise", "values": [0.1, 0.01], "at": [0.5], "warm_up": 0.1},
    "epochs": 3,
    "batch_size": 16,
    "label_smoothing": 0.1,
    "precision": "mixed_bfloat16",
    "augmentation": {"flip": True, "shift": 2},
}
TINY = [{"layer": "Flatten"}, {"layer": "BatchNormalization"}, {"layer": "Dense", "units": 3, "activation": "softmax"}]


def test_a_plan_is_read_and_survives_a_file():
    plan = read_plan(FULL)
    assert plan.optimizer == Sgd(0.8, False, 5e-3)
    assert plan.schedule == Piecewise((0.1, 0.01), (0.5,), 0.1)
    assert plan.augmentation == Augmentation(flip=True, shift=2)
    assert read_plan(json.loads(json.dumps(plan.plain()))) == plan


def test_what_is_left_out_is_keras_default():
    assert read_plan({}) == Plan(Adam(), Constant(1e-3), 20, 128, 0.0, "float32", Augmentation())


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Constant(0.5), [0.5] * 8),
        (Constant(0.4, warm_up=0.5), [0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4]),
        (Linear(0.8), [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (Linear(0.8, end=0.4, warm_up=0.5), [0.2, 0.4, 0.6, 0.8, 0.8, 0.7, 0.6, 0.5]),
        (Cosine(1.0), [(1 + math.cos(math.pi * i / 8)) / 2 for i in range(8)]),
        (Piecewise((0.4, 0.2, 0.1), (0.25, 0.75)), [0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1]),
        (
            OneCycle(1.0, warm_up=0.25),
            [0.04, 0.52, *(1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * i / 6)) / 2 for i in range(6))],
        ),
    ],
)
def test_learning_rates_by_hand(schedule, rates):
    np.testing.assert_allclose(schedule.rates(8), rates, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_gives_each_step_a_usable_rate(name):
    given = {"values": [0.1, 0.01], "at": [0.5]} if name == "piecewise" else {"rate": 0.1}
    plan = read_plan({"schedule": {"name": name, **given}, "epochs": 7, "batch_size": 13})
    rates = plan.learning_rates(images=100)
    assert len(rates) == 7 * 7  # the last nine images of an epoch make no batch
    assert ((rates > 0) & (rates <= 0.1)).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"optimiser": {}},
            "plan: 'optimiser' is no setting of it (did you mean optimizer?); it has optimizer, schedule",
        ),
        ({"optimizer": "sgd"}, 'plan: optimizer: expected a dictionary, {"name": "sgd", ...}, got \'sgd\''),
        (
            {"optimizer": {"name": "rmsprop"}},
            "plan: optimizer: \"name\": 'rmsprop' is unknown; use one of sgd, adam, adamw",
        ),
        (
            {"optimizer": {"name": "adam", "weight_decay": 0.1}},
            "plan: optimizer (adam): 'weight_decay' is no setting of it; it has beta_1",
        ),
        (
            {"optimizer": {"name": "sgd", "momentum": 1.0}},
            "plan: optimizer (sgd): momentum: 1.0 is not from 0 to 0.999",
        ),
        ({"schedule": {"name": "cosine"}}, "plan: schedule (cosine): rate is missing"),
        ({"schedule": {"name": "cosine", "rate": 0}}, "plan: schedule (cosine): rate: 0 is not above 0 and up to 10"),
        (
            {"schedule": {"name": "cosine", "rate": 0.1, "end": 0.2}},
            "plan: schedule (cosine): end: 0.2 is not from 0 to 0.1",
        ),
        (
            {"schedule": {"name": "one_cycle", "rate": 1, "warm_up": 0}},
            "plan: schedule (one_cycle): warm_up: 0 is not above 0",
        ),
        (
            {"schedule": {"name": "piecewise", "values": [1], "at": [0.5]}},
            "plan: schedule (piecewise): 1 values and 1 places of change",
        ),
        (
            {"schedule": {"name": "piecewise", "values": [1, 2, 3], "at": [0.5, 0.2]}},
            "plan: schedule (piecewise): at: [0.5, 0.2] has to grow",
        ),
        ({"epochs": 0}, "plan: epochs: 0 is not from 1 to 1,000"),
        ({"epochs": 20.0}, "plan: epochs: expected a whole number from 1 to 1,000, got 20.0"),
        ({"label_smoothing": 1}, "plan: label_smoothing: 1 is not from 0 to 0.9"),
        ({"precision": "bfloat16"}, "plan: precision: 'bfloat16' is unknown (did you mean mixed_bfloat16?)"),
        (
            {"augmentation": {"rotation": 10}},
            "plan: augmentation: 'rotation' is no setting of it (did you mean rotate?)",
        ),
        ({"augmentation": {"shift": -1}}, "plan: augmentation: augmentation.shift: -1 is not from 0 to 16"),
    ],
)
def test_a_plan_that_can_not_be_says_why(change, said):
    with pytest.raises(BadInputError) as caught:
        read_plan(change)
    assert str(caught.value).startswith(said), str(caught.value)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(BadInputError, match="batch_size: 128 of only 100 images"):
        read_plan({}).learning_rates(100)


def test_a_model_is_compiled_as_planned():
    model = compile_model(read_network(TINY, (2, 2, 1), 3), read_plan(FULL), images=160)
    optimizer = model.optimizer
    assert (type(optimizer).__name__, optimizer.momentum, optimizer.nesterov, optimizer.weight_decay) == (
        "SGD",
        0.8,
        False,
        5e-3,
    )
    schedule = optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 2, 14, 15, 29, 1000)]
    np.testing.assert_allclose(rates, [0.1 / 3, 0.1, 0.1, 0.01, 0.01, 0.01], rtol=1e-6)
    decayed = [bool(optimizer._use_weight_decay(v)) for v in model.trainable_variables]
    assert [v.name for v, yes in zip(model.trainable_variables, decayed, strict=True) if yes] == ["kernel"]


def test_label_smoothing_spreads_certainty():
    model = compile_model(read_network(TINY, (2, 2, 1), 3), read_plan({"label_smoothing": 0.3}), images=128)
    probabilities = np.array([[0.7, 0.2, 0.1]], np.float32)
    target = np.array([0.1, 0.1, 0.8])
    expected = -(target * np.log(probabilities)).sum()
    assert float(model.loss(np.array([2]), probabilities)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_half_precision_scales_the_loss(optimizer):
    plan = read_plan({"optimizer": {"name": optimizer}, "precision": "mixed_float16"})
    model = compile_model(read_network(TINY, (2, 2, 1), 3), plan, images=128)
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    assert isinstance(plan.optimizer, {"sgd": Sgd, "adam": Adam, "adamw": AdamW}[optimizer])


def test_schedule_and_loss_survive_a_saved_model(tmp_path):
    import keras

    model = compile_model(read_network(TINY, (2, 2, 1), 3), read_plan(FULL), images=160)
    model.fit(np.zeros((16, 2, 2, 1), np.float32), np.zeros(16, np.int32), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.smoothing == 0.1
    assert float(again.optimizer._learning_rate(15)) == pytest.approx(0.01)
