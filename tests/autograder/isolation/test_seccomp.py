"""The filter, read by an interpreter of the kernel's BPF: both architectures, whatever machine this is."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from autograder.isolation import launcher, seccomp
from autograder.isolation.syscalls import ARCHITECTURES, NUMBERS


def decision(program: bytes, number: int, *arguments: int, audit: int) -> str:
    """What the kernel would decide: `allow`, `kill` or an error's name."""
    data = struct.pack("=iIQ6Q", number, audit, 0, *(*arguments, *[0] * (6 - len(arguments))))
    code = list(struct.iter_unpack("=HBBI", program))
    place = accumulator = 0
    while True:
        opcode, then, otherwise, value = code[place]
        place += 1
        if opcode == seccomp.LOAD:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif opcode == seccomp.RETURN:
            names = {seccomp.ALLOW: "allow", seccomp.KILL: "kill"}
            return names.get(value) or errno.errorcode[value & 0xFFFF]
        else:
            tests = {
                seccomp.EQUAL: accumulator == value,
                seccomp.GREATER: accumulator > value,
                seccomp.ANY_BIT: bool(accumulator & value),
            }
            place += then if tests[opcode] else otherwise


@pytest.fixture(params=["x86_64", "aarch64"])
def decide(request):
    architecture = ARCHITECTURES[request.param]

    def ask(call, *arguments, own_processes=True, audit=architecture.audit, pid=77):
        number = NUMBERS[call][architecture.column] if isinstance(call, str) else call
        if number is None:
            pytest.skip(f"{request.param} has no {call}")
        program = launcher.with_own_pid(seccomp.program(own_processes=own_processes, machine=request.param), pid)
        return decision(program, number, *arguments, audit=audit)

    return ask


def test_what_every_program_does_is_allowed(decide):
    assert decide("read") == decide("getpid") == "allow"


@pytest.mark.parametrize("call", ["socket", "mount", "ptrace", "bpf", "keyctl", "shmget", "kexec_load", "unshare"])
def test_what_attacks_need_is_refused(decide, call):
    assert decide(call) == "EPERM"


@pytest.mark.parametrize("call", ["clone3", "memfd_create", "io_uring_setup"])
def test_what_libraries_try_looks_as_if_it_were_missing(decide, call):
    assert decide(call) == "ENOSYS"


def test_processes_and_threads_are_made_but_no_namespaces(decide):
    assert decide("clone", 17) == decide("clone", 0x3D0F00) == "allow"
    assert decide("clone", 17 | 0x10000000) == decide("clone", 0x40000000) == "EPERM"


def test_arguments_decide_and_the_rules_that_follow_still_hold(decide):
    assert [decide("fcntl", 1, command) for command in (1, 3, 8, 10, 15)] == ["allow", "allow", *["EPERM"] * 3]
    # The kernel takes 32 bits of it, so the high ones may not lead past the rule.
    assert decide("ioctl", 0, 0x5412) == decide("ioctl", 0, 0x1_0000_5412) == "EPERM"
    assert decide("ioctl", 0, 0x5401) == "allow"
    assert (decide("personality", 0xFFFFFFFF), decide("personality", 0x0040000)) == ("allow", "EPERM")


def test_without_a_process_namespace_it_signals_itself_only(decide):
    assert decide("kill", 1, 9) == "allow"
    assert decide("kill", 77, 9, own_processes=False) == "allow"
    for other in (1, 0, 78, 0xFFFFFFFF):  # all in its group, all that it may reach
        assert decide("kill", other, 9, own_processes=False) == "EPERM"
    assert decide("setsid", own_processes=False) == decide("setpgid", own_processes=False) == "EPERM"
    assert decide("prlimit64", 1, own_processes=False) == "EPERM"
    assert decide("prlimit64", 0, own_processes=False) == "allow"


def test_calls_of_another_architecture_end_the_process(decide):
    assert decide("read", audit=0x40000003) == "kill"  # i386, where every number means another call


def test_calls_that_nobody_has_looked_at_are_missing(decide):
    assert decide(463) == decide(seccomp.X32_BIT) == decide(seccomp.X32_BIT | 1) == "ENOSYS"


def test_an_unknown_processor_gets_no_filter_and_so_no_tier():
    assert seccomp.program(own_processes=True, machine="riscv64") == b""


HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", r"#define __NR_(\w+)\s+(\d+)"),
    # Some calls have another name where a long has 32 bits; both have one number.
    "aarch64": ("/usr/include/asm-generic/unistd.h", r"#define __NR(?:3264)?_(\w+)\s+(\d+)"),
}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_table_is_that_of_the_kernels_headers(machine):
    path, pattern = HEADERS[machine]
    if not Path(path).exists():
        pytest.skip("no kernel headers here")
    numbers = {name: int(number) for name, number in re.findall(pattern, Path(path).read_text())}
    column = ARCHITECTURES[machine].column
    listed = {name: pair[column] for name, pair in NUMBERS.items()}
    assert {name: number for name, number in listed.items() if number != numbers.get(name)} == {}
