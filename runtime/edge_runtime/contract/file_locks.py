"""Locks on files, which end with the process that holds them, however it ends.

On POSIX they are flock's: they work on local file systems, and on NFS since Linux 2.6.12. On Windows a byte of the file
is locked. Where a file system has no locks, nothing is held, and nothing is known of other processes.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_runtime.contract.errors import CannotWrite
from edge_runtime.contract.file_targets import regular_file

_WAIT, _STEP = 60.0, 0.01  # seconds
_FLAGS = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOINHERIT", "O_BINARY"))
# On Windows a locked byte cannot be read: one beyond all that is written.
_LOCKED_BYTE = 2**30
# File systems take names of 255 bytes; this leaves room for what is put around one.
_MOST_BYTES = 200

# The descriptors that hold locks in this process. A forked process closes them: it would hold the locks as well.
_held: set[int] = set()


def name_beside(name: str, ending: str) -> str:
    """The name of a file that lies beside the file `name` for a while: .model.pt.lock."""
    shown = name if len(os.fsencode(name)) <= _MOST_BYTES else name[: _MOST_BYTES // 4]
    return f".{shown}.{ending}"


def new_path(path: Path) -> Path:
    """A path that nothing has yet, beside `path`: .model.pt.0123abcd.tmp."""
    return path.with_name(name_beside(path.name, f"{os.urandom(4).hex()}.tmp"))


def new_file(path: Path, mode: int) -> tuple[Path, int]:
    """A new file beside `path`, locked, and its descriptor, which `close` closes.

    Args:
        path: what the file is for; see `new_path`.
        mode: who may read and write it, before the umask.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        beside = new_path(path)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, mode)
        if _hold(descriptor, beside) is not False:
            return beside, descriptor
        # Another process took it for what a killed run has left.
        close(descriptor)


def opened_held(path: Path, mode: int = 0o600) -> int | None:
    """The descriptor of the file at `path`, made if it is missing, with a lock on it; None if another process has that.

    Raises:
        OSError: it cannot be made or opened.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, mode)
        except PermissionError:
            # Another user's; it can be locked all the same.
            descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        if _hold(descriptor, path) is not False:
            return descriptor
        # Else it was removed by the process that had it.
        is_there = _is_at(path, descriptor)
        close(descriptor)
        if is_there:
            return None


def opened_held_in_turn(path: Path) -> int:
    """As `opened_held`, after waiting for another process that has it.

    Raises:
        OSError: it cannot be made or opened, or the other process takes more than a minute.
    """
    end = time.monotonic() + _WAIT
    while (descriptor := opened_held(path)) is None:
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, "another process is writing there")
        time.sleep(_STEP)
    return descriptor


def held_if_left(path: Path) -> int | None:
    """A descriptor with a lock on a file or folder that a killed process has left; None if it is not such a one.

    It must be this user's, and no process may hold it.
    """
    try:
        status = os.lstat(path)
        is_folder = stat.S_ISDIR(status.st_mode)
        if not (is_folder or stat.S_ISREG(status.st_mode)) or not is_own(status):
            return None
        descriptor = os.open(path, (os.O_RDONLY if is_folder else os.O_RDWR) | _FLAGS)
    except OSError:
        return None
    if _hold(descriptor, path):
        return descriptor
    close(descriptor)
    return None


def hold_existing(path: Path) -> int:
    """A descriptor of a file or folder of this process's own, with a lock on it if there are locks.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | _FLAGS)
    _hold(descriptor, path)
    return descriptor


def is_own(status: os.stat_result) -> bool:
    """Whether the file with this status belongs to the user of this process."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def is_held(descriptor: int) -> bool:
    """Whether a descriptor from here holds a lock: not where the file system has none."""
    return descriptor in _held


def close(descriptor: int) -> None:
    """Close a descriptor from here, and end its lock."""
    _held.discard(descriptor)
    with contextlib.suppress(OSError):  # what was written has been flushed
        os.close(descriptor)


def remove_held(path: Path, descriptor: int) -> None:
    """Remove the file of `descriptor` from its path, if it is there and can be removed, and end the lock."""
    is_there = _is_at(path, descriptor)
    if os.name == "nt":  # an open file cannot be removed there
        close(descriptor)
    with contextlib.suppress(OSError):
        if is_there:
            path.unlink()
    if os.name != "nt":
        close(descriptor)


@contextlib.contextmanager
def locked(paths: Iterable[Path]) -> Iterator[None]:
    """Let no other run write the files at `paths`, whose folders are there, while the context lasts.

    As long there is a lock file beside each: .model.pt.lock. One that a killed run has left does not lock.

    Raises:
        CannotWrite: another run writes one of them, or a lock file cannot be made.
    """
    locks: dict[Path, int] = {}
    process = os.getpid()
    try:
        for lock, path in _lock_files(paths).items():
            locks[lock] = _locked(lock, path)
        yield
    finally:
        # Not in a forked process, which holds nothing.
        if os.getpid() == process:
            for lock, descriptor in locks.items():
                remove_held(lock, descriptor)


def check_not_locked(paths: Iterable[Path]) -> None:
    """See that no other run writes the files at `paths`, whose folders may be missing.

    Raises:
        CannotWrite: another run does.
    """
    for lock, path in _lock_files(paths).items():
        if os.path.lexists(lock):
            with locked([path]):
                pass


def _lock_files(paths: Iterable[Path]) -> dict[Path, Path]:
    """The lock file of each file, beside what its path leads to. What is not replaced has none."""
    found = {}
    for path in paths:
        try:
            real = regular_file(path)
        except OSError as error:
            if isinstance(error, CannotWrite):
                raise
            raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error
        if real is not None:
            found[real.with_name(name_beside(real.name, "lock"))] = path
    return found


def _locked(lock: Path, path: Path) -> int:
    try:
        descriptor = opened_held(lock, 0o666)
        other = lock.read_bytes()[:20].decode(errors="replace").strip() if descriptor is None else ""
    except OSError as error:
        raise CannotWrite(f"{lock} cannot be written: {error.strerror}") from error
    if descriptor is None:
        process = f" (process {other})" if other.isdecimal() else ""
        raise CannotWrite(f"another run{process} is writing {path}; wait until it has ended, or choose another folder")
    if os.fstat(descriptor).st_nlink > 1:
        # To write into it would write into a file that somebody has put there.
        close(descriptor)
        raise CannotWrite(f"{lock} is another name of a file that is elsewhere too; remove it")
    with contextlib.suppress(OSError):  # the number is only for people
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _hold(descriptor: int, path: Path) -> bool | None:
    """Lock the file of `descriptor`, if it still is the one at `path`; None if there are no locks here."""
    _held.add(descriptor)
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        _held.discard(descriptor)
        return None
    return _is_at(path, descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except OSError:
        return False


def _forget_locks() -> None:
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)
