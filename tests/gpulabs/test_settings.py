"""Settings are read strictly, and an error says what, where and what to do."""

from dataclasses import dataclass

import pytest

from gpulabs.errors import BadInputError
from gpulabs.settings import choice, flag, number, one_of, record, sequence, shown, whole


@dataclass(frozen=True)
class Paint:
    colour: str
    coats: int = 1

    def __post_init__(self):
        choice("colour", self.colour, ("red", "blue"))
        whole("coats", self.coats, 1, 3)


@dataclass(frozen=True)
class Paper:
    width: float


KINDS = {"paint": Paint, "paper": Paper}


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: whole("n", 2.0, 1, 3), "n: expected a whole number from 1 to 3, got 2.0"),
        (lambda: whole("n", True, 0, 3), "n: expected a whole number from 0 to 3, got True"),
        (lambda: whole("n", 10**5000, 0, 3), "n: a whole number of 16610 bits is not from 0 to 3"),
        (lambda: number("r", "1", 0, 1), "r: expected a number from 0 to 1, got '1'"),
        (lambda: number("r", 0, 0, 1, above=True), "r: 0 is not above 0 and up to 1"),
        (lambda: number("r", float("nan"), 0, 1), "r: nan is not from 0 to 1"),
        (lambda: number("r", float("inf"), 0, 1), "r: inf is not from 0 to 1"),
        (lambda: flag("f", 0), "f: expected True or False, got 0"),
        (lambda: choice("c", "Blu", ("red", "blue")), "c: 'Blu' is unknown (did you mean blue?); use one of red, blue"),
        (lambda: choice("c", ["red"], ("red",)), "c: a list is unknown; use one of red"),
        (
            lambda: record(Paint, {"colour": "red", "coat": 2}, "wall"),
            "wall: 'coat' is no setting of it (did you mean coats?); it has colour, coats",
        ),
        (lambda: record(Paint, {"coats": 2}, "wall"), "wall: colour is missing"),
        (lambda: record(Paint, {"colour": "red", "coats": 4}, "wall"), "wall: coats: 4 is not from 1 to 3"),
        (lambda: record(Paint, [1], "wall"), "wall: expected a dictionary, the settings of Paint, got a list"),
        (lambda: record(Paint, {1: 2}, "wall"), "wall: keys are text, got 1"),
        (lambda: one_of(KINDS, {"width": 1}, "wall", "kind"), 'wall: "kind" is missing; it says which: paint, paper'),
        (
            lambda: one_of(KINDS, {"kind": "papers"}, "wall", "kind"),
            "wall: \"kind\": 'papers' is unknown (did you mean paper?); use one of paint, paper",
        ),
        (
            lambda: one_of(KINDS, {"kind": "paint", "colour": "green"}, "wall", "kind"),
            "wall (paint): colour: 'green' is unknown; use one of red, blue",
        ),
        (lambda: sequence([], "list", 3), "list: 0 entries, expected 1 to 3"),
        (lambda: sequence("abc", "list", 3), "list: expected a list, got 'abc'"),
    ],
)
def test_errors_say_what_where_and_what_to_do(read, said):
    with pytest.raises(BadInputError) as caught:
        read()
    assert str(caught.value) == said


def test_right_settings_are_read():
    assert one_of(KINDS, {"kind": "paint", "colour": "red"}, "wall", "kind") == Paint("red")
    assert sequence((1, 2), "list", 2) == [1, 2]


def test_an_object_is_named_not_shown():
    class Layer:
        def __repr__(self):
            raise SystemExit("ran")

    assert shown(Layer()).startswith("an object of type Layer; only numbers, text, lists and dictionaries")
    assert shown("x" * 100) == repr("x" * 100)[:57] + "..."
