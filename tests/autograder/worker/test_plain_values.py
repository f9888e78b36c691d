"""What a plain function may return: values that JSON has, by exact type, within limits."""

import numpy as np
import pytest

from autograder.evidence import Case, FaultKind
from autograder.worker.planning import plan_value_case

CASE = Case("c", "t", "i", "f")


class Text(str):
    """Equals everything."""

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize("value", [3, 2.5, True, "text", [1, [2, 3]], {"a": {"b": [None, 1]}, "c": "d"}, [], {}])
def test_plain_values_come_back_as_they_are(value):
    assert plan_value_case(lambda: value, CASE, 5.0).value == value


def test_tuples_and_numpy_become_plain():
    value = plan_value_case(lambda: (np.float32(0.5), np.arange(3), {"a": np.int64(2)}), CASE, 5.0).value

    assert value == [0.5, [0, 1, 2], {"a": 2}]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "returned nothing"),
        (object(), "returned object"),
        ({"a": object()}, "returned object"),
        (Text("x"), "returned Text"),
        ({Text("x"): 1}, "other keys than short texts"),
        ({1: 2}, "other keys than short texts"),
        ("x" * 1001, "more than 1000 characters"),
        (b"x", "returned bytes"),
        ([[[[[[[[[[]]]]]]]]]], "nested more than"),
        ([0] * 10_001, "more than 10000 values"),
    ],
)
def test_anything_else_is_a_fault_with_its_type(value, says):
    fault = plan_value_case(lambda: value, CASE, 5.0)

    assert fault.kind is FaultKind.WRONG_TYPE
    assert says in fault.message
