"""Opening what is to be read: a file or a pipe, and nothing that never begins or never ends."""

import errno
import os
import stat
from io import FileIO
from pathlib import Path

from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.terminal import counted

# Windows has neither named pipes in folders, nor this.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def open_file(path: str | Path, limits: Limits) -> FileIO:
    """Open a regular file, a pipe or a terminal for reading, without a buffer.

    Raises:
        OSError: as `open`; it is a device or a socket; or it is a named pipe, and nobody opens it to write within
            `limits.pipe_seconds`.
    """
    kind = os.stat(path).st_mode  # noqa: PTH116 - it takes both types
    if stat.S_ISSOCK(kind):
        raise OSError(errno.EINVAL, "it is a socket, not a file")
    if stat.S_ISFIFO(kind) and _AT_ONCE:
        return FileIO(_descriptor_of_pipe(path, limits.pipe_seconds))
    # A file is in the place of a named pipe by now, at most: devices are not made so quickly.
    file = FileIO(path)
    if (stat.S_ISCHR(kind) or stat.S_ISBLK(kind)) and not file.isatty():
        file.close()
        raise OSError(errno.EINVAL, "it is a device, not a file")
    return file


def most_unpacked(descriptor: int, limits: Limits) -> int | None:
    """How many bytes an open file may hold once it is unpacked: `limits.unpacked_bytes`, or as many as are on the disk.

    A file with holes has fewer bytes on the disk than its size says, a pipe has none.
    """
    if limits.unpacked_bytes is None:
        return None
    found = os.fstat(descriptor)
    # In units of 512 bytes, whatever the file system's own; Windows has none.
    on_disk = min(found.st_size, getattr(found, "st_blocks", found.st_size) * 512) if stat.S_ISREG(found.st_mode) else 0
    return max(limits.unpacked_bytes, on_disk)


def too_much(path: object, most: int) -> str:
    """The message on the file at `path`, of which more than `most` bytes would have to be kept in memory."""
    return f"{path} holds more than {counted(most, 'byte')}{how_to_raise('unpacked_bytes')}"


def _descriptor_of_pipe(path: str | Path, seconds: float | None) -> int:
    import select

    # To open it as a file waits until somebody opens it to write.
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE)
    try:
        if _is_named(path):
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN | select.POLLHUP)
            ready = waiting.poll(None if seconds is None else seconds * 1000)
            if seconds is not None and not ready and not _has_writer(descriptor):
                waited = counted(seconds, "second")
                raise OSError(
                    errno.ETIMEDOUT, f"nobody has written to this pipe for {waited}{how_to_raise('pipe_seconds')}"
                )
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_named(path: str | Path) -> bool:
    """Whether it is a pipe in a folder, and not one of this process's own, as /dev/stdin and /dev/fd/63 are."""
    real = os.path.realpath(path)
    return not (real.startswith("/proc/") and "/pipe:[" in real)


def _has_writer(descriptor: int) -> bool:
    try:
        # Nothing, as there was nothing to read. If there is something in this moment, the wait was over before.
        os.read(descriptor, 1)
    except BlockingIOError:
        return True
    return False
