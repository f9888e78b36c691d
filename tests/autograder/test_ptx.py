from autograder.ptx import count_fp64, entry_parameters, statements

PTX = """
.version 8.8
.target sm_75
.address_size 64
.visible .entry k(
    .param .u64 k_param_0, // a comment; with a semicolon
    .param .align 8 .b8 k_param_1[16],
    .param .f32 k_param_2
)
{
    .reg .pred %p<2>;
$L__BB0_1:
    @%p1 bra $L__BB0_1;
    mov.b64 {%r1, %temp}, %fd1;
    /* two
       lines */ ret;
}
.const .align 4 .b8 table[8] = {0, 0, 128, 63, 0, 0, 0, 64};
"""


def test_statements_carry_opcode_operands_and_first_line() -> None:
    found = [(each.opcode, each.operands, each.line) for each in statements(PTX) if each.opcode]
    assert found == [("bra", "$L__BB0_1", 12), ("mov.b64", "{%r1, %temp}, %fd1", 14), ("ret", "", 16)]


def test_blocks_lists_and_headers_are_told_apart() -> None:
    directives = [(each.text.split("(")[0], each.ends) for each in statements(PTX) if each.is_directive]
    assert directives == [
        (".visible .entry k", "{"),
        (".reg .pred %p<2>", ";"),
        (".const .align 4 .b8 table[8] = {0, 0, 128, 63, 0, 0, 0, 64}", ";"),
    ]


def test_what_shares_a_line_with_a_header_is_not_lost() -> None:
    hidden = '.file 1 "a//b.py" mov.u32 %r1, %clock;'
    assert [each.text for each in statements(hidden)] == [hidden.rstrip(";")]
    assert [each.opcode for each in statements(".loc 1 2 3\nadd.s32 a, b, c;")] == ["add.s32"]


def test_a_comment_sign_in_a_string_hides_nothing() -> None:
    found = [each.text for each in statements('.pragma "nounroll//"; mov.u32 %r1, %clock;\n')]
    assert found == ['.pragma "nounroll//"', "mov.u32 %r1, %clock"]


def test_parameters_of_an_entry() -> None:
    assert entry_parameters(PTX, "k") == ("u64", "b8[16]", "f32")
    assert entry_parameters(PTX, "other") is None
    assert entry_parameters(".visible .entry e()\n{ ret; }", "e") == ()


def test_fp64_counts_arithmetic_and_conversions_only() -> None:
    text = "add.f64 a,b,c; cvt.f64.f32 a,b; cvt.rn.f32.f64 a,b; mov.f64 a,b; ld.global.f64 a,[b]; fma.rn.f32 a,b,c,d;"
    assert count_fp64(text) == 3
