"""Seccomp, by which a process of Linux gives up calls of the system: those that reach beyond it.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html, Linux's include/uapi/linux/{seccomp,filter,audit}.h,
and its tables of calls for each architecture. On other architectures nothing is given up.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
# Instructions: load a word of what is known of a call; jump if it is equal, is not less, or has one of these bits; end.
_LOAD, _IF_EQUAL, _IF_NOT_LESS, _IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Where a call has its number, its architecture, and the lower halves of its first two arguments.
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
_CLONE_THREAD = 0x10000
# From here on calls of x86-64 are those of its 32-bit variant.
_X32 = 0x40000000
# F_SETOWN, F_SETSIG and F_SETOWN_EX of fcntl, FIOSETOWN and SIOCSPGRP of ioctl: the system would signal others.
_OWNERS = (8, 10, 15, 0x8901, 0x8902)


class _Calls(NamedTuple):
    """Of an architecture: its number, those of its calls that always fail, and those that fail for some arguments.

    Attributes:
        to_itself: kill and tgkill: only to this process.
        of_itself: prlimit64: only of this process, which is 0 too.
        controls: fcntl and ioctl: without `_OWNERS`.
        clone, clone3: only threads.
    """

    architecture: int
    failing: tuple[int, ...]
    to_itself: tuple[int, ...]
    of_itself: int
    controls: tuple[int, ...]
    clone: int
    clone3: int = 435


# The same everywhere.
_NEW = (
    *(425, 426, 427),  # io_uring's three
    *(434, 424, 438, 440, 448),  # pidfd_open, pidfd_send_signal, pidfd_getfd, process_madvise, process_mrelease
    *(452, 463, 466, 469),  # fchmodat2, setxattrat, removexattrat, file_setattr
)
_OF_MACHINE = {
    "x86_64": _Calls(
        0xC000003E,
        (
            *(41, 42, 49, 53),  # socket, connect, bind, socketpair
            *(57, 58, 59, 322),  # fork, vfork, execve, execveat
            *(101, 310, 311, 312),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(272, 308, 298, 321, 323),  # unshare, setns, perf_event_open, bpf, userfaultfd
            *(200, 129, 297),  # tkill, rt_sigqueueinfo, rt_tgsigqueueinfo
            # setpriority, sched_setparam, sched_setscheduler, sched_setaffinity, sched_setattr, ioprio_set, and
            # migrate_pages, move_pages
            *(141, 142, 144, 203, 314, 251, 256, 279),
            # What outlives a process and is not bounded by its limits: shmget, shmat, shmctl; semget, semop, semctl,
            # semtimedop; msgget, msgsnd, msgrcv, msgctl; mq_open, mq_unlink
            *(29, 30, 31, 64, 65, 66, 220, 68, 69, 70, 71, 240, 241),
            # What Landlock does not have, or not from the beginning: truncate; chmod, fchmod, fchmodat; chown, fchown,
            # lchown, fchownat; utime, utimes, futimesat, utimensat; setxattr, removexattr and their kinds
            *(76, 90, 91, 268, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199),
            *_NEW,
        ),
        to_itself=(62, 234),
        of_itself=302,
        controls=(72, 16),
        clone=56,
    ),
    "aarch64": _Calls(
        0xC00000B7,
        (
            *(198, 203, 200, 199),
            *(221, 281),
            *(117, 270, 271, 272),
            *(217, 218, 219),
            *(97, 268, 241, 280, 282),
            *(130, 138, 240),
            *(140, 118, 119, 122, 274, 30, 238, 239),
            *(194, 196, 195, 190, 193, 191, 192, 186, 189, 188, 187, 180, 181),
            *(45, 52, 53, 55, 54, 88, 5, 6, 7, 14, 15, 16),
            *_NEW,
        ),
        to_itself=(129, 131),
        of_itself=261,
        controls=(25, 29),
        clone=220,
    ),
}


def give_up_sockets_and_processes() -> bool:
    """Let calls fail that make sockets, start processes or programs, or reach into other processes. Threads start.

    So do calls that signal other processes or change how they run, that change files by their names, and that make
    what stays when this process ends. It needs `no_new_privs`, and holds for this thread, and for all that it starts
    from now on.

    Returns:
        Whether the system has it, and allows it.
    """
    calls = _OF_MACHINE.get(platform.machine())
    if sys.platform != "linux" or calls is None or sys.maxsize < 2**32:
        return False
    program = b"".join(_program(calls, os.getpid()))
    kept = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
    return bool(ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _FILTER_MODE, header, 0, 0) == 0)


def _program(calls: _Calls, own: int) -> Iterator[bytes]:
    """The filter for the process `own`: eight bytes for each instruction."""
    fail = _instruction(_RETURN, _FAIL | errno.EACCES)
    # What libraries take for an old system, and do in an older way.
    unknown = _instruction(_RETURN, _FAIL | errno.ENOSYS)
    allow = _instruction(_RETURN, _ALLOW)
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
    yield from _by_argument(calls.clone, _FIRST, [(_IF_BITS, _CLONE_THREAD)], allow, fail)
    for number in calls.to_itself:
        yield from _by_argument(number, _FIRST, [(_IF_EQUAL, own)], allow, fail)
    yield from _by_argument(calls.of_itself, _FIRST, [(_IF_EQUAL, 0), (_IF_EQUAL, own)], allow, fail)
    for number in calls.controls:
        yield from _by_argument(number, _SECOND, [(_IF_EQUAL, one) for one in _OWNERS], fail, allow)
    yield allow


def _by_argument(
    number: int, place: int, tests: list[tuple[int, int]], if_any: bytes, otherwise: bytes
) -> Iterator[bytes]:
    """The end of the filter for the call `number`: `if_any` if its argument at `place` passes a test."""
    yield _instruction(_IF_EQUAL, number, 0, 2 * len(tests) + 2)
    yield _instruction(_LOAD, place)
    for code, operand in tests:
        yield _instruction(code, operand, 0, 1)
        yield if_any
    yield otherwise


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; jumps skip so many of those that follow."""
    return struct.pack("HBBI", code, if_true, if_false, operand)
