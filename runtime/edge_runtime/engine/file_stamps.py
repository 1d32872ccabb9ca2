"""Whether a file is still the one that was opened, by what the file system says of it."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from edge_runtime.contract.errors import ContentMismatch, InvalidModel, OutOfResources
from edge_runtime.contract.terminal import printable, unreadable
from edge_runtime.engine.ort_errors import lacks_resources

_T = TypeVar("_T")

# Device, inode, size, and the times of the last change of the content, and of anything; on Windows the last is the time
# when the file was made.
Stamp: TypeAlias = tuple[int, int, int, int, int]

NO_STAMP: Stamp = (0, 0, 0, 0, 0)

# How far the times of files are apart, in nanoseconds: where the system's clock counts, and on file systems that keep
# whole seconds, such as FAT, which has every other one.
_TICK, _COARSE_TICK = 20_000_000, 2_000_000_000


def stamp(path: str | Path) -> Stamp:
    """What distinguishes a file from another one with its name; zeros if the file does not exist."""
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116
    except (OSError, ValueError):
        return NO_STAMP


def stamp_of(found: os.stat_result) -> Stamp:
    """What distinguishes a file, of what the system says of it, from another one with its name."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class StampedFiles:
    """Files that are read several times, and must be the same each time."""

    def __init__(self, stamps: Sequence[tuple[str, Stamp]]) -> None:
        """The files with these paths and stamps. It may wait, so that every later change shows."""
        self._stamps = stamps
        for _, known in stamps:
            _settle(known)

    def are_unchanged(self) -> bool:
        """Whether all have the stamps that they had."""
        return all(stamp(path) == known for path, known in self._stamps)

    def check(self) -> None:
        """Raise ContentMismatch if a file does not have the stamp that it had."""
        for path, known in self._stamps:
            if stamp(path) != known:
                raise ContentMismatch(f"{printable(path)} was changed after it was opened; open the model again")

    def read(self, read: Callable[[], _T]) -> _T:
        """What `read` makes of the files.

        Raises:
            ContentMismatch: a file was changed before or while it was read.
            InvalidModel, OutOfResources: a file cannot be read.
        """
        self.check()
        try:
            found = read()
        except OSError as error:
            kind = OutOfResources if lacks_resources(error) else InvalidModel
            raise kind(unreadable(Path(str(error.filename or "the model")), error)) from error
        self.check()
        return found


def _settle(known: Stamp) -> None:
    """Wait until every later change of the file gives it another stamp: not if it was changed just now.

    Args:
        known: its stamp, taken just before.
    """
    changed = known[3] if os.name == "nt" else known[4]
    tick = _TICK if known[3] % 1_000_000_000 or known[4] % 1_000_000_000 else _COARSE_TICK
    # Before zero, the clock is not the one that the file system goes by.
    age = max(0, time.time_ns() - changed)
    if age < tick:
        time.sleep((tick - age) / 1e9)
