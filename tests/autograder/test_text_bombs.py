"""Text that makes a careless reader work for hours: the grader reads PTX that an attacker wrote, in its own process."""

import time

import pytest

from autograder.evidence import Kernel
from autograder.ptx import count_fp64, entry_parameters, local_bytes, most_threads
from autograder.structure import analyse
from autograder.validate import check_ptx

SIZE = 50_000
MOST_S = 4.0
"""Of the processor. Readers in proportion to the text take some hundredths; those that were mended here took
9 to 80 s, and minutes to hours for the 2,000,000 characters that are read of a submission."""

PIECES = {
    "entries without an end": ".entry k(", "comments without an end": "/* ", "blanks": " ", "line ends": "\n",
    "quotes": '"a\n', "braces": "a{", "empty lists": "a{}", "labels": "a: ", "guards": "@p ", "functions": ".func (",
    "local variables": ".local .b8 a[1] ", "declarations of spaces": ".shared .local ",
    "pointers": ".param .b8 .ptr a ", "bounds": ".maxntid 1,", "semicolons": ";", "branches": "L: bra L;",
    "lines": ".loc 1 1 1, function_name \n", "initialisers": "= {1",
}  # fmt: skip


def read_all(text: str) -> None:
    """All that trusted code does with PTX before the assembler has it."""
    entry_parameters(text, "k")
    most_threads(text, "k")
    count_fp64(text)
    local_bytes(text)
    check_ptx(Kernel("k", "k", text, lined_ptx=text))
    analyse("k", text, "cell")


@pytest.mark.parametrize("name", PIECES)
def test_reading_takes_time_in_proportion_to_the_text(name):
    many = PIECES[name] * (SIZE // len(PIECES[name]))

    began = time.process_time()
    for around in ("{}", ".entry k{}", ".visible .entry k({}", ".visible .entry k() {{ {}; ret; }}"):
        read_all(around.format(many))

    assert time.process_time() - began < MOST_S


def test_an_instruction_with_thousands_of_registers_is_not_followed():
    registers = "{" + ", ".join(f"%r{number}" for number in range(20_000)) + "}"
    began = time.process_time()

    found = analyse("k", f".visible .entry k() {{ mov.b32 {registers}, {registers}; ret; }}")

    assert found.products == 0
    assert time.process_time() - began < MOST_S


@pytest.mark.parametrize(
    "text",
    [
        ".global .u32 a[{}];.visible .entry k() {{ ret; }}",
        ".visible .entry k() {{ .local .u32 a[{}]; ret; }}",
        ".visible .entry k(.param .b8 a[{}]) .maxntid {} {{ ld.global.f{} %r1, [%r2]; ret; }}",
        ".visible .entry k() {{ mov.u32 %r{}, {}; ret; }}",
    ],
)
def test_numbers_of_thousands_of_digits_raise_nothing(text):
    read_all(text.format(*["9" * 5000] * 3))
