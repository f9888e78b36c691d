"""Training steps as they are: what TensorFlow and XLA make of them."""

import numpy as np
import pytest

from gpulabs.measured_step import Settings, measure
from gpulabs.memory import layers_of, predict
from gpulabs.training_step import StepPlan, network, optimizer, training_step


def trained(plan, steps=2):
    """Losses and variables after a few steps."""
    import tensorflow as tf

    model = network(plan)
    chosen = optimizer(plan)
    chosen.build(model.trainable_variables)
    step = training_step(plan, model, chosen, jit=False)
    x = tf.random.stateless_uniform((plan.batch, *model.input_shape[1:]), (1, 2))
    y = tf.range(plan.batch) % 10
    return [float(step(x, y)) for _ in range(steps)], [variable.numpy() for variable in model.variables]


@pytest.mark.slow
def test_recomputation_changes_nothing_that_is_trained():
    """Neither gradients nor BatchNorm's statistics, which a second run of a layer would move twice."""
    kept, again = (trained(StepPlan(8, optimizer="sgd", network="small_cnn", recompute=each)) for each in (False, True))
    assert kept[0] == again[0]
    for one, other in zip(kept[1], again[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_float16_trains_with_loss_scaling():
    losses, _ = trained(StepPlan(16, "float16", network="small_cnn"), steps=3)
    assert np.isfinite(losses).all()
    assert type(optimizer(StepPlan(1, "float16"))).__name__ == "LossScaleOptimizer"


@pytest.mark.slow
def test_a_prediction_for_a_cpu_is_near_what_xla_assigns_here():
    plan = StepPlan(32, network="small_cnn")
    found = measure(plan, Settings(seconds=0, dump=True))
    predicted = predict(layers_of(network(plan)), plan, "cpu").peak_bytes
    assert predicted == pytest.approx(found.xla["total_bytes"], rel=0.15)
