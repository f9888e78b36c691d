"""Tables of layer shapes, by hand; that they say what Keras says is in `test_memory.py`."""

import pytest

from gpulabs.errors import BadInputError
from gpulabs.layer_tables import cnn_layers, records, table


def test_shapes_follow_each_other():
    layers = table((7, 6, 3), ("Conv2D 4 same relu", "MaxPooling2D", "Dropout", "Flatten", "Dense 10"))
    assert [layer["output"] for layer in layers] == [[7, 6, 4], [3, 3, 4], [3, 3, 4], [36], [10]]
    assert [layer["input"] for layer in layers[1:]] == [layer["output"] for layer in layers[:-1]]
    assert [layer["relu"] for layer in layers] == [True, False, False, False, False]


def test_the_labs_network_has_its_parameters():
    layers = records(cnn_layers())
    assert sum(layer.trained for layer in layers) == 1_252_074
    assert [layer.name for layer in layers[:4]] == ["conv1", "norm1", "conv2", "pool1"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: table((2, 2, 1), ("Conv2D 4 valid",)), "leaves nothing"),
        (lambda: table((8, 8, 1), ("LSTM 4",)), "kind 'LSTM'"),
        (lambda: cnn_layers("resnet"), "there are lab_cnn, small_cnn"),
    ],
)
def test_what_can_not_be_is_told(make, text):
    with pytest.raises(BadInputError, match=text):
        make()
