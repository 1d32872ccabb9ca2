"""Several files that take the places of others together or not at all, even if the process is killed in between.

While that is done, a record of it lies in the folder of the first file: .edge-predict.1000.journal, with the number of
the user. Until its second line is written, the old files are kept beside their places under other names. Whoever finds
it held by no process puts these back. From then on they are removed.
"""

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_runtime.contract.file_locks import (
    close,
    is_held,
    is_own,
    name_beside,
    opened_held,
    opened_held_in_turn,
    remove_held,
)
from edge_runtime.contract.file_targets import write_all

_DONE = b"done\n"
_NUMBER = re.compile("[0-9a-f]{8}")
# How a file system says that its folders cannot be flushed.
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


class _Change(NamedTuple):
    """What is done to one file.

    Attributes:
        target: the file that is replaced or made or, without `new`, removed.
        number: what the names of the files beside it have in them.
        existed: whether there was one.
        new: the size and the time of the new file, which tell it from others.
    """

    target: Path
    number: str
    existed: bool
    new: tuple[int, int] | None

    @property
    def beside(self) -> Path:
        """The new file, until it is moved."""
        return self.target.with_name(name_beside(self.target.name, f"{self.number}.tmp"))

    @property
    def backup(self) -> Path:
        """The old file, until all is done."""
        return self.target.with_name(name_beside(self.target.name, f"{self.number}.old"))

    def apply(self) -> None:
        """Do it. There is no moment without a file, if the file system has hard links."""
        if self.existed:
            try:
                os.link(self.target, self.backup)
            except OSError:
                self.target.replace(self.backup)
        if self.new is not None:
            self.beside.replace(self.target)
        else:
            _remove(self.target)

    def undo(self) -> None:
        """Put the old file back, unless somebody else has written there since."""
        found = _identity(self.target)
        if _identity(self.backup) is not None:
            if found is None or (found == self.new and not self.target.samefile(self.backup)):
                self.backup.replace(self.target)
            else:
                self.backup.unlink()
        elif not self.existed and found is not None and found == self.new:
            self.target.unlink()
        _remove(self.beside)


def put_in_place(files: Iterable[tuple[Path, Path | None]]) -> None:
    """Move each file over its target: all, or none if one cannot be moved.

    What a killed process has left half done is undone before.

    Args:
        files: each target, an absolute path without links, and the finished file that takes its place, named by
            `file_locks.new_path`; or None to remove the target.

    Raises:
        OSError: one of them cannot be moved. All targets are as they were, or will be when the next process begins, if
            they cannot be put back at once.
    """
    pairs = list(files)
    target, beside = pairs[0]
    if len(pairs) == 1 and beside is not None:
        beside.replace(target)
        # Without this a loss of power may bring the old file back, whole.
        with contextlib.suppress(OSError):
            _flush_folder(target.parent)
        return
    home = target.parent
    journal = home / _journal_name()
    descriptor = opened_held_in_turn(journal)
    try:
        if not _is_trusted(os.fstat(descriptor)):
            raise OSError(errno.EPERM, f"{journal} was not written by this user; remove it")
        _finish(descriptor, home)
        changes = [
            _change(target, beside) for target, beside in pairs if beside is not None or _identity(target) is not None
        ]
        _do(changes, descriptor, home)
    finally:
        _end(journal, descriptor)


def finish_killed(folder: Path) -> None:
    """Undo what a killed process was doing to files in `folder`, or finish it.

    Raises:
        OSError: an old file cannot be put back.
    """
    journal = folder / _journal_name()
    if _identity(journal) is None or (descriptor := opened_held(journal)) is None:
        return
    try:
        if _is_trusted(os.fstat(descriptor)):
            _finish(descriptor, folder)
            os.ftruncate(descriptor, 0)
    finally:
        _end(journal, descriptor)


def _remove(path: Path) -> None:
    # Not Path.exists, for which a file that the disk says nothing of is not there.
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells the file at `path` from others: its size and its time; None if there is none.

    Raises:
        OSError: the system does not say.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size, status.st_mtime_ns


def _journal_name() -> str:
    return f".edge-predict.{os.geteuid() if hasattr(os, 'geteuid') else 0}.journal"


def _is_trusted(status: os.stat_result) -> bool:
    """Whether nobody else can have written the journal with this status."""
    return is_own(status) and (os.name == "nt" or (status.st_nlink == 1 and not status.st_mode & 0o022))


def _end(journal: Path, descriptor: int) -> None:
    """Remove the journal if nothing is left to do, and end its lock."""
    try:
        is_done = os.fstat(descriptor).st_size == 0
    except OSError:
        is_done = False
    if is_done:
        remove_held(journal, descriptor)
    else:
        close(descriptor)


def _change(target: Path, beside: Path | None) -> _Change:
    number = os.urandom(4).hex() if beside is None else beside.name.split(".")[-2]
    return _Change(target, number, _identity(target) is not None, None if beside is None else _identity(beside))


def _do(changes: Sequence[_Change], descriptor: int, home: Path) -> None:
    record = json.dumps([[_relative(change.target, home), *change[1:]] for change in changes]).encode() + b"\n"
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        write_all(descriptor, record)
        os.fsync(descriptor)
        _flush_folder(home)
        for change in changes:
            change.apply()
        for folder in dict.fromkeys(change.target.parent for change in changes):
            _flush_folder(folder)
        write_all(descriptor, _DONE)
        os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):  # else the next process does it
            os.ftruncate(descriptor, len(record))
            _undo(changes)
            os.ftruncate(descriptor, 0)
        raise
    with contextlib.suppress(OSError):
        _forget(changes)
        os.ftruncate(descriptor, 0)


def _finish(descriptor: int, home: Path) -> None:
    """Undo or finish what the journal says, if its process is dead."""
    if not is_held(descriptor):
        return
    content = b""
    while block := os.read(descriptor, 65536):
        content += block
    line, _, rest = content.partition(b"\n")
    try:
        changes = [
            _Change(Path(os.path.normpath(home / target)), number, existed, None if new is None else (new[0], new[1]))
            for target, number, existed, new in json.loads(line)
            if _NUMBER.fullmatch(number) and Path(target).name not in ("", "..") and "\0" not in target
        ]
    except (ValueError, TypeError, LookupError, RecursionError):
        return  # it is not all written, and nothing is done yet
    if rest == _DONE:
        with contextlib.suppress(OSError):  # a file that stays beside others harms nobody
            _forget(changes)
    else:
        _undo(changes)


def _undo(changes: Sequence[_Change]) -> None:
    problems = []
    for change in reversed(changes):
        try:
            change.undo()
        except OSError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    for folder in dict.fromkeys(change.target.parent for change in changes):
        with contextlib.suppress(OSError):
            _flush_folder(folder)


def _forget(changes: Sequence[_Change]) -> None:
    for change in changes:
        _remove(change.backup)


def _relative(target: Path, home: Path) -> str:
    try:
        return os.path.relpath(target, home)
    except ValueError:  # on another drive of Windows
        return str(target)


def _flush_folder(folder: Path) -> None:
    """Let what was moved in `folder` outlast a loss of power."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:  # one may write in it, and not read it
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(descriptor)
