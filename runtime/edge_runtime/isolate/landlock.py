"""Landlock, by which a process of Linux gives up access to files, and to TCP, for good and without special rights.

Source: https://docs.kernel.org/userspace-api/landlock.html and Linux's include/uapi/linux/landlock.h. A kernel is not
asked for what it does not know.
"""

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

# The same on all architectures that Python runs on.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# All kinds of access to files that each version knows, from the first one; all of TCP; signals and abstract sockets.
_FILES = (*((1 << bits) - 1 for bits in (13, 14, 15, 15)), (1 << 16) - 1)
_TCP, _FIRST_WITH_TCP = 3, 4
_SCOPES, _FIRST_WITH_SCOPES = 3, 6


def read_only(paths: Iterable[Path]) -> bool:
    """Give up all access to files but reading `paths`, to files that are open, and to what reads as a device.

    It holds for this thread, and for all threads and processes that it starts from now on.

    Args:
        paths: files and folders; those that do not exist do not count.

    Returns:
        Whether the system has it, and allows it.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    attributes = struct.pack("=Q", _FILES[min(version, len(_FILES)) - 1])
    if version >= _FIRST_WITH_TCP:
        attributes += struct.pack("=Q", _TCP)
    if version >= _FIRST_WITH_SCOPES:
        attributes += struct.pack("=Q", _SCOPES)
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for path in paths:
            _allow(libc, rules, path)
        return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: Path) -> None:
    with contextlib.suppress(OSError):
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            is_folder = stat.S_ISDIR(os.fstat(beneath).st_mode)
            rule = struct.pack("=Qi", _READ_FILE | (_READ_DIR if is_folder else 0), beneath)
            libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
        finally:
            os.close(beneath)
