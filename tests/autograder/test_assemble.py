import pytest

from autograder.assemble import assemble, complaint, resources
from autograder.evidence import FaultKind, Kernel
from gpulabs.errors import GraderError

GOOD = """.version 7.0
.target sm_75
.address_size 64
.visible .entry k(.param .u64 p)
{
    .reg .b64 %rd<2>;
    .reg .f64 %fd<3>;
    .shared .align 4 .b8 tile[SIZE];
    ld.param.u64 %rd1, [p];
    ld.global.f64 %fd1, [%rd1];
    add.f64 %fd2, %fd1, %fd1;
    st.shared.f64 [tile], %fd2;
    bar.sync 0;
    ld.shared.f64 %fd1, [tile];
    st.global.f64 [%rd1], %fd1;
    ret;
}
"""


def kernel(text: str) -> Kernel:
    return Kernel("mine", "k", text, "cell", 7)


def test_good_and_bad_kernels_side_by_side() -> None:
    good, bad = kernel(GOOD.replace("SIZE", "1024")), kernel(GOOD.replace("SIZE", "8").replace("add.f64", "adds.f64"))
    assembled = assemble({"good": good, "bad": bad}, "sm_80")
    cubin, found = assembled.cubins["good"]
    assert cubin.startswith(b"\x7fELF")
    assert assembled.code() == {"good": cubin}
    assert (found.kernel, found.architecture, found.shared_bytes, found.fp64_instructions) == ("good", "sm_80", 1024, 1)
    assert 0 < found.registers < 64
    (fault,) = assembled.faults.values()
    assert (fault.kind, fault.cell, fault.line) == (FaultKind.DOES_NOT_COMPILE, "cell", 7)
    assert "mine does not compile for sm_80: Not a name of any known instruction: 'adds' (line 11" in fault.message


def test_too_much_shared_memory_is_said_in_bytes() -> None:
    fault = assemble({"k": kernel(GOOD.replace("SIZE", "49160"))}, "sm_80").faults["k"]
    assert "wants 49,160 bytes of shared memory a block, a block gets 49,152" in fault.message


def test_ptx_for_a_later_gpu_does_not_compile_for_an_earlier_one() -> None:
    text = GOOD.replace("SIZE", "8").replace("sm_75", "sm_90").replace("7.0", "7.8")
    assert "does not compile for sm_80" in assemble({"k": kernel(text)}, "sm_80").faults["k"].message


@pytest.mark.parametrize("architecture", ["sm_999", "90", "sm_90; rm"])
def test_unknown_architecture_is_the_graders_own_failure(architecture: str) -> None:
    with pytest.raises(GraderError):
        assemble({"k": kernel(GOOD.replace("SIZE", "8"))}, architecture)


def test_kernel_without_ptx_is_the_graders_own_failure() -> None:
    with pytest.raises(GraderError, match="mine has no PTX"):
        assemble({"k": kernel("")}, "sm_80")


LOG = """ptxas info    : Compiling entry function 'k' for 'sm_90'
ptxas         .     0 bytes stack frame, 24 bytes spill stores, 36 bytes spill loads
ptxas info    : Used 96 registers, used 1 barriers, 4096 bytes smem
info    : used 96 registers, used 1 barriers, 0 stack, 4096 bytes smem, 852 bytes cmem[0], 0 bytes lmem
"""


def test_log_is_read() -> None:
    found = resources("k", "", "sm_90", LOG)
    assert (found.registers, found.spill_store_bytes, found.spill_load_bytes, found.shared_bytes) == (96, 24, 36, 4096)
    with pytest.raises(GraderError, match="can't read the assembler's log"):
        resources("k", "", "sm_90", "something else")


CALLED = """ptxas info    : Function properties for helper
ptxas         .     64 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads
"""


def test_spills_behind_those_of_a_called_function_count() -> None:
    """A function that is not inlined comes first in the log: a small one once hid what the kernel itself spilled."""
    local = ".visible .entry k() { .local .align 4 .b8 depot[64]; ret; }"

    found = resources("k", local, "sm_90", CALLED + LOG)

    assert (found.registers, found.spill_store_bytes, found.spill_load_bytes, found.stack_bytes) == (96, 24, 40, 64)
    assert resources("k", "", "sm_90", CALLED + LOG).stack_bytes == 0


def test_complaint_without_a_line() -> None:
    assert complaint("ptxas fatal   : Unresolved extern function 'f'") == "Unresolved extern function 'f'"
    assert complaint("") == "the assembler gave no reason"
