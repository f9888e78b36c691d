"""A seccomp filter for student Python: which system calls are refused, assembled to the kernel's BPF.

The filter refuses what a convolution in Python never needs and what attacks on kernels and neighbours
need: sockets, mounts, tracing, new namespaces, keyrings, BPF, io_uring, performance counters, memory
without a file (memfd, System V), and signals to others. What is refused returns an error, so that code
which merely tries goes on. A call with a number above `syscalls.HIGHEST` doesn't exist here.

It is a list of what is refused and not of what is allowed: a list of all calls that Python, NumPy, LLVM
and CUDA's compiler make on every C library would break on the next update and fail honest students.

Source: classic BPF and `struct seccomp_data` as in the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from autograder.isolation.syscalls import ARCHITECTURES, HIGHEST, NUMBERS, Architecture

# Opcodes of classic BPF: load a word at a fixed offset, conditional jumps on a constant, return.
LOAD, EQUAL, GREATER, ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
# Offsets in struct seccomp_data: the call's number, the architecture, the low words of its arguments.
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000

OWN_PID = 0x7FFFFFF1
"""Stands for the process's own number, which only the launcher knows; see `launcher.with_own_pid`."""

X32_BIT = 0x40000000
"""Marks calls of x86_64's 32-bit ABI, which would go past every number in the table."""

NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""

NETWORK = "socket socketpair connect bind listen accept accept4"
OTHER_PROCESSES = (
    "ptrace process_vm_readv process_vm_writev kcmp process_madvise process_mrelease pidfd_open pidfd_getfd "
    "pidfd_send_signal tkill rt_sigqueueinfo rt_tgsigqueueinfo move_pages migrate_pages "
    "setpriority ioprio_set sched_setaffinity sched_setparam sched_setscheduler sched_setattr"
)
FILE_SYSTEMS = (
    "mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr "
    "open_by_handle_at name_to_handle_at fanotify_init fanotify_mark mknod mknodat quotactl quotactl_fd "
    "swapon swapoff acct"
)
KERNEL = (
    "unshare setns add_key request_key keyctl bpf perf_event_open userfaultfd init_module finit_module delete_module "
    "kexec_load kexec_file_load reboot syslog sethostname setdomainname settimeofday clock_settime adjtimex "
    "clock_adjtime iopl ioperm modify_ldt vhangup uselib ustat sysfs _sysctl nfsservctl lookup_dcookie"
)
# Memory that belongs to no file and no address space: neither limits nor the watch would see it.
HIDDEN_MEMORY = (
    "memfd_secret shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semctl semtimedop "
    "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify"
)
# Libraries try these and fall back when a kernel doesn't have them. clone3's flags lie in memory, where a filter
# can't read them.
AS_IF_MISSING = "clone3 memfd_create io_uring_setup io_uring_enter io_uring_register"


@dataclass(frozen=True)
class Rule:
    """Refuses a system call, always or for some values of one argument.

    Attributes:
        call: Its name, a key of `syscalls.NUMBERS`.
        error: What the caller gets.
        argument: Index of the argument that decides, or None: it is always refused.
        test: Refused when the argument is `equal` to the value, has `bits` of it, or `differs` from it.
        value: The value, 32 bits.
    """

    call: str
    error: int = errno.EPERM
    argument: int | None = None
    test: str = "equal"
    value: int = 0


def rules(*, own_processes: bool) -> tuple[Rule, ...]:
    """The rules of every worker.

    Args:
        own_processes: Whether the worker lives in a process namespace, where it can name its own processes
            only. Where it doesn't, it may signal and limit nobody but itself.
    """
    always = " ".join((NETWORK, OTHER_PROCESSES, FILE_SYSTEMS, KERNEL, HIDDEN_MEMORY)).split()
    found = [Rule(call) for call in always]
    found += [Rule(call, errno.ENOSYS) for call in AS_IF_MISSING.split()]
    found += [
        Rule("clone", argument=0, test="bits", value=NEW_NAMESPACES),
        Rule("ioctl", argument=1, value=0x5412),  # TIOCSTI types into a terminal
        Rule("ioctl", argument=1, value=0x541C),  # TIOCLINUX does on a console
        Rule("fcntl", argument=1, value=8),  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals sent by way of a file
        Rule("fcntl", argument=1, value=10),
        Rule("fcntl", argument=1, value=15),
        Rule("personality", argument=0, test="differs", value=0xFFFFFFFF),
    ]
    if not own_processes:
        found += [Rule(call, argument=0, test="differs", value=OWN_PID) for call in ("kill", "tgkill")]
        # All stay in one group, which one signal ends.
        found += [Rule(call) for call in ("setsid", "setpgid")]
        found.append(Rule("prlimit64", argument=0, test="differs", value=0))
    return tuple(found)


def assemble(wanted: Iterable[Rule], architecture: Architecture) -> bytes:
    """Assembles rules into a filter program.

    Args:
        wanted: The rules; the first that applies decides.
        architecture: Whose call numbers to use.

    Returns:
        8 bytes an instruction, as the kernel takes them.
    """
    code = [
        _load(ARCHITECTURE),
        _jump(EQUAL, architecture.audit, then=1, otherwise=0),
        _return(KILL),  # calls of another architecture have other numbers
        _load(NUMBER),
        # x32 calls are above it too.
        _jump(GREATER, HIGHEST, then=0, otherwise=1),
        _return(ERROR | errno.ENOSYS),
    ]
    for rule in wanted:
        number = NUMBERS[rule.call][architecture.column]
        if number is not None:
            code += _always(rule, number) if rule.argument is None else _sometimes(rule, number, rule.argument)
    code.append(_return(ALLOW))
    return b"".join(code)


def program(*, own_processes: bool, machine: str = "") -> bytes:
    """The filter for this machine; empty on an architecture that the table doesn't know."""
    architecture = ARCHITECTURES.get(machine or platform.machine())
    return assemble(rules(own_processes=own_processes), architecture) if architecture else b""


def _always(rule: Rule, number: int) -> list[bytes]:
    return [_jump(EQUAL, number, then=0, otherwise=1), _return(ERROR | rule.error)]


def _sometimes(rule: Rule, number: int, argument: int) -> list[bytes]:
    opcode = ANY_BIT if rule.test == "bits" else EQUAL
    refused, passed = (1, 0) if rule.test == "differs" else (0, 1)
    return [
        _jump(EQUAL, number, then=0, otherwise=4),
        # The arguments tested are ints to the kernel: their high words don't count.
        _load(ARGUMENTS + 8 * argument),
        _jump(opcode, rule.value, then=refused, otherwise=passed),
        _return(ERROR | rule.error),
        _load(NUMBER),  # for the rules that follow
    ]


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", LOAD, 0, 0, offset)


def _jump(opcode: int, value: int, *, then: int, otherwise: int) -> bytes:
    """A jump over so many instructions."""
    return struct.pack("=HBBI", opcode, then, otherwise, value)


def _return(action: int) -> bytes:
    return struct.pack("=HBBI", RETURN, 0, 0, action)
