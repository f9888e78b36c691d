"""The memory model, on networks small enough to add up by hand and on XLA's own figures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gpulabs.errors import BadInputError
from gpulabs.layer_tables import cnn_layers, records
from gpulabs.lifetimes import PARTS, Layer, moments_of
from gpulabs.memory import largest_batch, layers_of, predict
from gpulabs.training_step import StepPlan, network, segments

DENSE = (Layer("dense1", "Dense", inputs=10, outputs=3, channels=3, trained=33),)
BLOCK = (
    Layer("conv1", "Conv2D", inputs=48, outputs=64, channels=4, trained=112, relu=True),
    Layer("pool1", "MaxPooling2D", inputs=64, outputs=16, channels=4),
    Layer("dropout1", "Dropout", inputs=16, outputs=16, channels=4),
    Layer("dense1", "Dense", inputs=16, outputs=10, channels=10, trained=170),
)
XLA_TOTAL_BYTES = {  # TensorFlow 2.21 on a CPU, `gpulabs memory --measure`
    StepPlan(32): 65_058_672,
    StepPlan(64): 116_631_772,
    StepPlan(512): 807_579_612,
    StepPlan(512, recompute=True): 663_443_172,
    StepPlan(128, "bfloat16"): 198_815_092,
    StepPlan(128, "float16"): 202_054_047,
    StepPlan(8, "bfloat16"): 31_443_624,
    StepPlan(2048, "bfloat16"): 2_877_238_204,
    StepPlan(16, network="small_cnn"): 8_073_008,
    StepPlan(64, network="small_cnn"): 23_824_604,
    StepPlan(512, network="small_cnn"): 171_028_444,
    StepPlan(16, "bfloat16", network="small_cnn"): 8_181_640,
    StepPlan(64, "bfloat16", network="small_cnn"): 22_297_716,
    StepPlan(512, "bfloat16", network="small_cnn"): 154_047_348,
    StepPlan(512, "bfloat16", network="small_cnn", recompute=True): 133_674_108,
    StepPlan(64, "float16", network="small_cnn"): 23_115_996,
    StepPlan(512, "float16", network="small_cnn"): 155_516_764,
}
RECORDED_WITHIN = 0.06
RECORDS = Path(__file__).parents[2] / "benchmarks" / "results"
FOR_GPU = json.loads((RECORDS / "batch" / "xla_for_h200.json").read_text(encoding="utf-8"))["rows"]
FOR_GPU_WITHIN = {"rel": 0.02, "abs": 3e6}
"""Products of matrices are cut in pieces, whose sums take a few MB that no rule gives."""


@pytest.fixture(scope="module")
def cnns():
    """(network, precision) -> layers; the two half precisions differ from float32 in the size of a value alone."""
    found = {}
    for name in ("lab_cnn", "small_cnn"):
        full = layers_of(network(StepPlan(1, network=name)))
        half = (*(replace(layer, item_bytes=2) for layer in full[:-1]), full[-1])
        found |= {(name, "float32"): full, (name, "bfloat16"): half, (name, "float16"): half}
    return found


@pytest.mark.parametrize(("optimizer", "slots"), [("sgd", 0), ("momentum", 1), ("rmsprop", 1), ("adam", 2)])
def test_variables_are_float32_and_the_optimizer_keeps_slots_of_what_is_trained(optimizer, slots):
    layers = (*DENSE, Layer("norm1", "BatchNormalization", 3, 3, 3, trained=6, statistics=6))
    found = predict(layers, StepPlan(2, "float32", optimizer), "cpu")
    assert found.parts["parameters"] == 4 * (33 + 6 + 6)
    assert found.parts["optimizer state"] == 4 * slots * (33 + 6)
    assert found.parts["inputs"] == 2 * (4 * 10 + 4)


def test_the_peak_is_the_largest_sum_over_the_step_and_its_parts_add_up():
    found = predict(BLOCK, StepPlan(8), "cpu")
    sums = {moment: sum(parts.values()) for moment, parts in found.timeline}
    assert found.peak_bytes == max(sums.values()) == sums[found.moment] == sum(found.parts.values())
    assert list(found.parts) == list(PARTS)
    assert list(sums)[:3] == ["start", "forward, conv1", "forward, pool1"]
    assert list(sums)[-2:] == ["backward, conv1", "update"]
    assert found.peak_bytes == sum(tensor.size for tensor in found.tensors)


def test_memory_grows_linearly_with_a_large_batch():
    sizes = [predict(BLOCK, StepPlan(batch), "cpu").peak_bytes for batch in (100, 200, 300)]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 0


def test_a_segment_ends_at_its_pooling_and_leaves_dropout_out():
    kinds = ["Conv2D", "BatchNormalization", "Conv2D", "MaxPooling2D", "Dropout", "Flatten", "Dense"]
    assert segments(kinds) == [(True, range(4)), (False, range(4, 5)), (False, range(5, 7))]
    assert segments(["Dense"]) == [(False, range(1))]


def test_a_segment_runs_again_right_before_its_backward_pass():
    steps = moments_of(BLOCK, recompute=True).steps
    again = steps.index(("again", 0))
    assert steps[again - 1 : again + 4] == (
        ("backward", 2), ("again", 0), ("again", 1), ("backward", 1), ("backward", 0)
    )  # fmt: skip
    assert not [step for step in moments_of(BLOCK, recompute=False).steps if step[0] == "again"]


def test_recomputation_keeps_no_activations_of_a_segment_at_the_end_of_the_forward_pass():
    def alive(recompute):
        timeline = dict(predict(BLOCK, StepPlan(64, recompute=recompute), "cpu").timeline)
        return timeline["forward, dense1"]["activations"]

    of_the_segment = 4 * 64 * (48 + 64 + 4 * 16)  # the convolution's input and output, the places of the maxima
    assert alive(False) - alive(True) == of_the_segment


def caption(plan):
    return f"{plan.network}-{plan.batch}-{plan.precision}{'-again' * plan.recompute}"


@pytest.mark.parametrize("plan", XLA_TOTAL_BYTES, ids=caption)
def test_predictions_for_a_cpu_are_near_what_xla_assigned(cnns, plan):
    found = predict(cnns[plan.network, plan.precision], plan, "cpu")
    assert found.peak_bytes == pytest.approx(XLA_TOTAL_BYTES[plan], rel=RECORDED_WITHIN)


@pytest.mark.parametrize("row", FOR_GPU, ids=lambda row: caption(StepPlan(**row["plan"])))
def test_predictions_for_a_gpu_are_near_what_xla_plans_for_one(cnns, row):
    plan = StepPlan(**row["plan"])
    found = predict(cnns[plan.network, plan.precision], plan, "gpu")
    assert found.peak_bytes == pytest.approx(row["xla"]["total_bytes"], **FOR_GPU_WITHIN)


def test_measured_scratch_space_counts_where_it_is_needed():
    plain = predict(BLOCK, StepPlan(8), "gpu")
    forward = {"forward, conv1": 10**6, plain.moment: 5, "forward, no such layer": 7}
    found = predict(BLOCK, StepPlan(8), "gpu", forward)
    assert found.moment == "forward, conv1"
    assert found.peak_bytes == {m: sum(p.values()) for m, p in plain.timeline}["forward, conv1"] + 10**6
    again = predict(BLOCK, StepPlan(8, recompute=True), "gpu", forward)
    assert [sum(parts.values()) > 10**6 for _, parts in again.timeline].count(True) == 2


def test_half_precision_halves_on_a_gpu_what_it_does_not_on_a_cpu(cnns):
    def saved(device):
        full, half = (
            predict(cnns["lab_cnn", name], StepPlan(2048, name), device).peak_bytes for name in ("float32", "bfloat16")
        )
        return 1 - half / full

    assert saved("gpu") > 0.4
    assert saved("cpu") < 0.15


def test_a_keras_network_is_read_layer_by_layer(cnns):
    layers = cnns["lab_cnn", "float32"]
    assert sum(layer.trained for layer in layers) == 1_252_074
    assert sum(layer.statistics for layer in layers) == 1_216
    assert [layer.name for layer in layers[:5]] == ["conv1", "norm1", "conv2", "pool1", "dropout1"]
    assert (layers[2].inputs, layers[2].outputs, layers[2].relu) == (32 * 32 * 32, 30 * 30 * 32, True)
    half = layers_of(network(StepPlan(1, "bfloat16")))
    assert half == cnns["lab_cnn", "bfloat16"]


def test_tables_of_shapes_say_what_keras_says(cnns):
    tables = {name: records(cnn_layers(name)) for name, precision in cnns if precision == "float32"}

    assert tables == {name: layers for (name, precision), layers in cnns.items() if precision == "float32"}


def test_the_largest_batch_is_found_by_doubling_and_halving():
    asked = []

    def peak(batch):
        asked.append(batch)
        return 100 + 10 * batch

    assert largest_batch(peak, 1009) == 90
    assert len(asked) < 20
    assert largest_batch(peak, 99) == 0


@pytest.mark.parametrize(("layers", "device", "text"), [((), "cpu", "no layers"), (DENSE, "tpu", "'tpu'")])
def test_bad_input_is_told(layers, device, text):
    with pytest.raises(BadInputError, match=text):
        predict(layers, StepPlan(1), device)
