"""What a path leads to when something is to be written there: a file that is replaced, or what is written into.

A link stays a link, and the regular file that it leads to is replaced. A device, a FIFO or an open descriptor such as
/dev/stdout is written into.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from edge_runtime.contract.errors import CannotWrite
from edge_runtime.contract.terminal import printable

_BLOCK = 1024 * 1024
# As many links as Linux follows.
_MOST_LINKS = 40


def regular_file(path: Path) -> Path | None:
    """The regular file, there or not, that `path` leads to, without links; None for what is written into.

    Raises:
        CannotWrite: it is neither.
        OSError: it is a folder, or cannot be found out.
    """
    _check_is_path(path)
    if (descriptor := _own_descriptor(path)) is not None:
        os.fstat(descriptor)
        return None
    target = Path(os.path.realpath(path))
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return target
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISREG(status.st_mode):
        # A descriptor of another process may lead to a file that has been removed.
        try:
            return target if os.path.samestat(target.stat(), status) else None
        except FileNotFoundError:
            return None
    if stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode):
        return None
    kind = "a socket" if stat.S_ISSOCK(status.st_mode) else "a block device"
    raise CannotWrite(f"{path} cannot be written: it is {kind}; choose another path")


def write_into(path: Path, content: bytes | Path) -> None:
    """Write bytes, or what is in another file, into a device, a FIFO or a descriptor. A FIFO waits for its reader.

    Raises:
        OSError: it cannot be written.
    """
    if (own := _own_descriptor(path)) is None:
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    else:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        descriptor = os.dup(own)
    try:
        for block in blocks(content):
            write_all(descriptor, block)
    finally:
        os.close(descriptor)


def blocks(content: bytes | Path) -> Iterable[bytes]:
    """Bytes, or what is in a file, block by block.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`.

    Raises:
        OSError: it cannot be written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _check_is_path(path: Path) -> None:
    try:
        is_path = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # half a character
        is_path = False
    if not is_path:
        raise CannotWrite(f"{printable(path)} is not a path of a file; choose another one")


def _own_descriptor(path: Path) -> int | None:
    """The number of the open descriptor of this process that `path` stands for: 1 for /dev/stdout."""
    folders = {"/dev/fd", *(os.path.realpath(f"/proc/{name}/fd") for name in ("self", "thread-self"))}
    for _ in range(_MOST_LINKS):
        if path.name.isascii() and path.name.isdecimal() and os.path.realpath(path.parent) in folders:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None
