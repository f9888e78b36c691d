import pytest

from gpulabs.batches import conclusion, knee, parse_batches, parse_precisions
from gpulabs.errors import BadInputError


def row(batch, rate, busy, precision="float32"):
    return {"plan": {"batch": batch, "precision": precision}, "images_per_s": rate, "utilisation": busy}


@pytest.mark.parametrize(
    ("text", "batches"),
    [("8", [8]), ("96,1", [1, 96]), ("1-8192", [1 << power for power in range(14)]), ("5-20,3", [3, 8, 16])],
)
def test_batches_are_numbers_and_ranges_of_powers_of_two(text, batches):
    assert parse_batches(text) == batches


@pytest.mark.parametrize("text", ["", "0", "-3", "8-4", "a", "1,,2", "5-6", "1-2-3", str(1 << 40)])
def test_a_list_that_cannot_be_read_says_what_to_give(text):
    with pytest.raises(BadInputError, match="batch"):
        parse_batches(text)


def test_precisions_keep_their_order_and_unknown_ones_are_named():
    assert parse_precisions("float16,float32,float16") == ["float16", "float32"]
    assert parse_precisions("all") == ["float32", "bfloat16", "float16"]
    with pytest.raises(BadInputError, match="'int8'"):
        parse_precisions("float32,int8")


def test_the_knee_is_the_smallest_batch_near_the_best():
    assert knee({1: 10.0, 2: 94.9, 4: 95.0, 8: 100.0}) == 4
    assert knee({1: 5.0}) == 1


def test_a_busy_gpu_is_told_apart_from_a_fast_one():
    rows = [row(1, 10, 0.5), row(2, 20, 0.95), row(4, 100, 0.99)]
    first, second = conclusion(rows)
    assert first == "float32: fastest at batch 4, 100 images/s; batch 4 reaches 100% of that"
    assert "at batch 2 the GPU is busy 95% of the time and gives 20%" in second
    assert len(conclusion([row(1, 10, None)])) == 1
