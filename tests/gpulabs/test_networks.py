import numpy as np
import pytest

from gpulabs import networks


def test_the_lab_cnn_is_the_one_of_the_course() -> None:
    model = networks.lab_cnn()

    assert (model.count_params(), model.output_shape) == (networks.PARAMETERS, (None, networks.CLASSES))
    assert [layer.output.shape[1] for layer in model.layers if "conv2d" in layer.name] == [32, 30, 15, 13]


def test_a_seed_fixes_the_weights() -> None:
    small = (14, 14, 1)
    first, second, other = (networks.lab_cnn(small, 3, seed=seed).get_weights() for seed in (1, 1, 2))

    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_weights_and_probabilities_in_float32(precision: str) -> None:
    model = networks.lab_cnn((14, 14, 1), 3, precision)

    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert (model.layers[0].compute_dtype, model.outputs[0].dtype) == (precision.removeprefix("mixed_"), "float32")
