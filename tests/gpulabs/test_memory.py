"""The memory model, on networks small enough to add up by hand and on XLA's own figures."""

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
    ("lab_cnn", 32, False): 65_058_672,
    ("lab_cnn", 64, False): 116_631_772,
    ("lab_cnn", 512, False): 807_579_612,
    ("lab_cnn", 512, True): 663_443_172,
    ("small_cnn", 16, False): 8_073_008,
    ("small_cnn", 64, False): 23_824_604,
    ("small_cnn", 512, False): 171_028_444,
}
RECORDED_WITHIN = 0.06


@pytest.fixture(scope="module")
def cnns():
    return {name: layers_of(network(StepPlan(1, network=name))) for name in ("lab_cnn", "small_cnn")}


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


@pytest.mark.parametrize("case", XLA_TOTAL_BYTES, ids=lambda case: f"{case[0]}-{case[1]}{'-again' * case[2]}")
def test_predictions_for_a_cpu_are_near_what_xla_assigned(cnns, case):
    name, batch, recompute = case
    found = predict(cnns[name], StepPlan(batch, network=name, recompute=recompute), "cpu")
    assert found.peak_bytes == pytest.approx(XLA_TOTAL_BYTES[case], rel=RECORDED_WITHIN)


def test_a_keras_network_is_read_layer_by_layer(cnns):
    layers = cnns["lab_cnn"]
    assert sum(layer.trained for layer in layers) == 1_252_074
    assert sum(layer.statistics for layer in layers) == 1_216
    assert [layer.name for layer in layers[:5]] == ["conv1", "norm1", "conv2", "pool1", "dropout1"]
    assert (layers[2].inputs, layers[2].outputs, layers[2].relu) == (32 * 32 * 32, 30 * 30 * 32, True)
    half = layers_of(network(StepPlan(1, "bfloat16")))
    assert [layer.item_bytes for layer in (half[0], half[-1])] == [2, 4]


def test_tables_of_shapes_say_what_keras_says(cnns):
    for name, layers in cnns.items():
        assert records(cnn_layers(name)) == layers


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
