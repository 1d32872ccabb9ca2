"""Seccomp, by which a process of Linux gives up calls of the system: here sockets, and the start of processes.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html, Linux's include/uapi/linux/{seccomp,filter,audit}.h,
and its tables of calls for each architecture. On other architectures nothing is given up.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
# Instructions: load a word of what is known of a call; jump if it is equal, is not less, or has one of these bits; end.
_LOAD, _IF_EQUAL, _IF_NOT_LESS, _IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Where a call has its number, its architecture, and the lower half of its first argument.
_NUMBER, _ARCHITECTURE, _FIRST = 0, 4, 16
_CLONE_THREAD = 0x10000
# From here on calls of x86-64 are those of its 32-bit variant.
_X32 = 0x40000000


class _Calls(NamedTuple):
    """Of an architecture: its number, those of its calls that fail, and those of clone and clone3."""

    architecture: int
    failing: tuple[int, ...]
    clone: int
    clone3: int = 435


# The same everywhere: io_uring's three, pidfd_getfd, and process_madvise.
_NEW = (425, 426, 427, 438, 440)
_OF_MACHINE = {
    "x86_64": _Calls(
        0xC000003E,
        (
            *(41, 42, 49, 53),  # socket, connect, bind, socketpair
            *(57, 58, 59, 322),  # fork, vfork, execve, execveat
            *(101, 310, 311),  # ptrace, process_vm_readv, process_vm_writev
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(272, 308, 298, 321, 323),  # unshare, setns, perf_event_open, bpf, userfaultfd
            *_NEW,
        ),
        clone=56,
    ),
    "aarch64": _Calls(
        0xC00000B7,
        (
            *(198, 203, 200, 199),
            *(221, 281),
            *(117, 270, 271),
            *(217, 218, 219),
            *(97, 268, 241, 280, 282),
            *_NEW,
        ),
        clone=220,
    ),
}


def give_up_sockets_and_processes() -> bool:
    """Let calls fail that make sockets, start processes or programs, or reach into other processes. Threads start.

    It needs `no_new_privs`, and holds for this thread, and for all that it starts from now on.

    Returns:
        Whether the system has it, and allows it.
    """
    calls = _OF_MACHINE.get(platform.machine())
    if sys.platform != "linux" or calls is None or sys.maxsize < 2**32:
        return False
    program = b"".join(_program(calls))
    kept = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
    return bool(ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _FILTER_MODE, header, 0, 0) == 0)


def _program(calls: _Calls) -> Iterator[bytes]:
    """The filter: eight bytes for each instruction."""
    fail = _instruction(_RETURN, _FAIL | errno.EACCES)
    # What libraries take for an old system, and do in an older way.
    unknown = _instruction(_RETURN, _FAIL | errno.ENOSYS)
    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_IF_EQUAL, calls.architecture, 1, 0)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER)
    yield _instruction(_IF_NOT_LESS, _X32, 0, 1)
    yield unknown
    for number in calls.failing:
        yield _instruction(_IF_EQUAL, number, 0, 1)
        yield fail
    # Its arguments are in memory, where a filter cannot look.
    yield _instruction(_IF_EQUAL, calls.clone3, 0, 1)
    yield unknown
    yield _instruction(_IF_EQUAL, calls.clone, 0, 3)
    yield _instruction(_LOAD, _FIRST)
    yield _instruction(_IF_BITS, _CLONE_THREAD, 1, 0)
    yield fail
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; jumps skip so many of those that follow."""
    return struct.pack("HBBI", code, if_true, if_false, operand)
