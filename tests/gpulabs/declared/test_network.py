"""A declared network: read strictly, counted by arithmetic, built as Keras builds it by hand."""

import json

import numpy as np
import pytest

from gpulabs.declared import LAB_NETWORK, read_network
from gpulabs.declared.layers import LAYERS
from gpulabs.errors import BadInputError
from gpulabs.networks import PARAMETERS, lab_cnn

SOFTMAX = {"layer": "Dense", "units": 10, "activation": "softmax"}
FLATTEN = {"layer": "Flatten"}
EVERY_LAYER = [
    {"layer": "Conv2D", "filters": 6, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False},
    {"layer": "BatchNormalization", "momentum": 0.9},
    {"layer": "Activation", "activation": "gelu"},
    {"layer": "Conv2D", "filters": 5, "kernel_size": 2, "activation": "silu"},
    {"layer": "MaxPooling2D", "pool_size": 3, "strides": 2, "padding": "same"},
    {"layer": "Dropout", "rate": 0.1},
    {"layer": "AveragePooling2D", "strides": 1},
    {"layer": "GlobalAveragePooling2D"},
    {"layer": "Dense", "units": 7, "activation": "relu"},
    {"layer": "BatchNormalization"},
    SOFTMAX,
]


def test_the_labs_network_has_its_parameters():
    assert LAB_NETWORK.parameters == PARAMETERS


def test_the_labs_network_is_the_keras_model_weight_for_weight():
    declared, by_hand = LAB_NETWORK.build(seed=3), lab_cnn(seed=3)
    assert [type(layer) for layer in declared.layers] == [type(layer) for layer in by_hand.layers]
    for one, other in zip(declared.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_shapes_and_parameters_are_those_of_keras(precision):
    network = read_network(EVERY_LAYER, (13, 17, 2))
    model = network.build(precision)
    assert [layer.output.shape[1:] for layer in model.layers] == [row.output_shape for row in network.rows()]
    assert [layer.count_params() for layer in model.layers] == [row.parameters for row in network.rows()]
    assert {layer.compute_dtype for layer in model.layers[:-1]} == {precision.removeprefix("mixed_")}
    assert model.layers[-1].compute_dtype == "float32"
    assert {type(layer).__name__ for layer in model.layers} == set(LAYERS) - {"Flatten"}


def test_multiply_adds_are_counted():
    network = read_network([{"layer": "Conv2D", "filters": 4, "kernel_size": 3}, FLATTEN, SOFTMAX], (5, 6, 2))
    assert [row.multiply_adds for row in network.rows()] == [3 * 4 * 4 * 9 * 2, 0, 48 * 10]
    assert network.summary().splitlines()[-1].split()[-2:] == ["566", "1,344"]


def test_a_network_survives_a_file():
    network = read_network(EVERY_LAYER, (13, 17, 2))
    assert read_network(json.loads(json.dumps(network.plain())), (13, 17, 2)) == network


def conv(**settings):
    return {"layer": "Conv2D", "filters": 4, "kernel_size": 3, **settings}


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([], "network: 0 entries, expected 1 to 64"),
        ([FLATTEN] * 65, "network: 65 entries, expected 1 to 64"),
        (None, "network: expected a list, got None"),
        (
            [lambda x: x],
            'network: layer 1: expected a dictionary, {"layer": "Conv2D", ...}, got an object of type function',
        ),
        (
            [{"layer": "Lambda", "function": "x"}],
            "network: layer 1: \"layer\": 'Lambda' is unknown; use one of Conv2D, BatchN",
        ),
        (
            [conv(kernel_size=(3, 3))],
            "network: layer 1 (Conv2D): kernel_size: expected a whole number from 1 to 31, got a tuple",
        ),
        ([conv(padding="SAME")], "network: layer 1 (Conv2D): padding: 'SAME' is unknown (did you mean same?)"),
        ([conv(kernel=3)], "network: layer 1 (Conv2D): 'kernel' is no setting of it (did you mean kernel_size?)"),
        ([conv(activation="softmax"), FLATTEN, SOFTMAX], "network: layer 1 (Conv2D): softmax makes probabilities"),
        ([SOFTMAX], "network: layer 1 (Dense): its input is still an image, 8 x 8 x 3; put Flatten"),
        (
            [FLATTEN, conv(), SOFTMAX],
            "network: layer 2 (Conv2D): its input is no image any more but 192 values in a row",
        ),
        (
            [conv(), conv(), conv(), conv(), FLATTEN, SOFTMAX],
            "network: layer 4 (Conv2D): its window of 3 x 3 does not fit into its input of 2 x 2 x 4",
        ),
        ([FLATTEN], "network: layer 1 (Flatten): the last layer has to give the probabilities of 10 classes"),
        ([FLATTEN, {**SOFTMAX, "units": 11}], "network: layer 2 (Dense): the last layer has to give"),
        ([FLATTEN, {**SOFTMAX, "activation": "linear"}], "network: layer 2 (Dense): the last layer has to give"),
        (
            [FLATTEN, {"layer": "Dense", "units": 65_536}, {"layer": "Dense", "units": 512}, SOFTMAX],
            "network: the network has 46,",
        ),
        ([conv(filters=4096, padding="same")] * 2 + [FLATTEN, SOFTMAX], "network: the network has 153,"),
        (
            [conv(filters=4096, padding="same")] * 20 + [FLATTEN, SOFTMAX],
            "network: layer 16 (Conv2D): up to here an image makes 4,194,304 values",
        ),
    ],
)
def test_a_network_that_can_not_be_says_which_layer_and_why(layers, said):
    with pytest.raises(BadInputError) as caught:
        read_network(layers, (8, 8, 3))
    assert str(caught.value).startswith(said), str(caught.value)
