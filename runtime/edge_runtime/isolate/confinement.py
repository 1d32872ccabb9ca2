"""What an isolated process gives up before it opens a model: memory, files, the network, and what else it could do."""

import contextlib
import ctypes
import fcntl
import os
import resource
import sys
from pathlib import Path

from edge_runtime.engine.memory_limits import memory

# From Linux's linux/prctl.h, linux/capability.h and linux/sched.h.
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
# What each thread takes of the address space, and does not use: its stack, and its part of the heap in glibc.
_PER_THREAD = (8 + 2 * 64) * 2**20
_MOST_FILES = 256
_STDIN = 0
_OWN_SCORE = Path("/proc/self/oom_score_adj")


def end_with_parent() -> None:
    """Let the system end this process when stdin ends, whatever it is doing: only its parent has the other end.

    Linux does so. Elsewhere SIGIO does not end a process, and this one ends when it waits for the next question.
    """
    fcntl.fcntl(_STDIN, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_STDIN, fcntl.F_SETFL, fcntl.fcntl(_STDIN, fcntl.F_GETFL) | os.O_ASYNC)


def give_up_rights() -> None:
    """On Linux, before there are threads: no rights by other programs, nor as root; and no network, where it may."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Not every system lets everybody do it.
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    # Of this process, none of the capabilities: effective, permitted, inheritable.
    libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())


def limit(most: int | None) -> int | None:
    """Bound what this process may take: no core file, nothing written to files, few files open, and memory.

    Args:
        most: how many bytes it may take besides those that it has now; None for no limit.

    Returns:
        How many it may take: not more than half of what the machine and the control groups have, which would otherwise
        end more than this process.
    """
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, 0)
    _set(resource.RLIMIT_NOFILE, _MOST_FILES)
    with contextlib.suppress(OSError):
        # If the machine runs out of memory nonetheless, this process is the one to go.
        _OWN_SCORE.write_text("1000")
    if most is None:
        return None
    there = memory()
    most = min([most, *(size // 2 for size in (there.total, there.group) if size)])
    sizes = _sizes()
    _set(resource.RLIMIT_DATA, sizes.get("VmData", 0) + most)
    # The address space has what is only reserved too, and what is shared with files.
    threads = (os.cpu_count() or 1) + 2
    _set(resource.RLIMIT_AS, sizes.get("VmSize", 0) + most + threads * _PER_THREAD)
    return most


def _set(kind: int, most: int) -> None:
    """Set a limit, unless it is lower already."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    # macOS has limits that it does not let anybody set.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (most, most))


def _sizes() -> dict[str, int]:
    """What this process has of each kind of memory, in bytes, by the names of proc_pid_status(5)."""
    sizes = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, size = line.partition(":")
            if size.endswith(" kB"):
                sizes[name] = int(size.removesuffix(" kB")) * 1024
    return sizes
