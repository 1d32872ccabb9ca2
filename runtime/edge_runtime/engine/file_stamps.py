"""Whether a file is still the one that was opened, by what the file system says of it."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
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

# Where Linux has what this process has opened, whatever is at its path by then.
_OPENED = "/proc/self/fd"


def stamp(path: str | Path) -> Stamp:
    """What distinguishes a file from another one with its name; zeros if the file does not exist."""
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116
    except (OSError, ValueError):
        return NO_STAMP


def stamp_of(found: os.stat_result) -> Stamp:
    """What distinguishes a file, of what the system says of it, from another one with its name."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def changed_since(path: str) -> ContentMismatch:
    """The error for a file that is not any more what was opened."""
    return ContentMismatch(f"{printable(path)} was changed after it was opened; open the model again")


@contextlib.contextmanager
def _held(path: str) -> Iterator[str]:
    """Another path of the file or folder that is at `path` now, whatever is there later.

    On systems other than Linux, and without /proc, it is `path`.

    Raises:
        ContentMismatch: there is none.
        OSError: it cannot be opened.
    """
    if not (hasattr(os, "O_PATH") and os.path.isdir(_OPENED)):  # noqa: PTH112 - as below
        yield path
        return
    try:
        descriptor = os.open(path, os.O_PATH)
    except FileNotFoundError as error:
        raise changed_since(path) from error
    try:
        yield f"{_OPENED}/{descriptor}"
    finally:
        os.close(descriptor)


def _of_link(path: str) -> Stamp:
    """The stamp of a link itself."""
    try:
        return stamp_of(os.lstat(path))
    except (OSError, ValueError):
        return NO_STAMP


class StampedFiles:
    """Files that are read several times, and must be the same each time.

    A stamp tells whether a file was changed, moved or replaced. It does not tell whether a folder above it, or a link
    on the way to it, was another one for a moment. So what is read and opened is held, and looked at where it is held.
    """

    def __init__(self, stamps: Sequence[tuple[str, Stamp]]) -> None:
        """The files with these paths and stamps. It may wait, so that every later change shows."""
        self._stamps = stamps
        links = [(path, _of_link(path)) for path, _ in stamps if os.path.islink(path)]  # noqa: PTH114 - as below
        # The system makes those in /proc anew, with other stamps, and nobody else can change them.
        self._links = [(path, link) for path, link in links if link[0] != stamp(_OPENED)[0]]
        for _, known in (*stamps, *self._links):
            _settle(known)

    def are_unchanged(self) -> bool:
        """Whether all have the stamps that they had."""
        return all(stamp(path) == known for path, known in self._stamps)

    def check(self) -> None:
        """Raise ContentMismatch if a file does not have the stamp that it had."""
        self._check(lambda path: path)

    def _check(self, place_of: Callable[[str], str]) -> None:
        for stamp_now, stamps in ((stamp, self._stamps), (_of_link, self._links)):
            for path, known in stamps:
                if stamp_now(place_of(path)) != known:
                    raise changed_since(path)

    def read(self, read: Callable[..., _T], *files: Path | bytes | None) -> _T:
        """What `read` makes of these files, or of contents in place of some.

        Raises:
            ContentMismatch: a file was changed before or while it was read.
            InvalidModel, OutOfResources: a file cannot be read.
        """
        self.check()
        places = {str(file): str(file) for file in files if isinstance(file, Path)}

        def check() -> None:
            for path, known in self._stamps:
                if path in places and stamp(places[path]) != known:
                    raise changed_since(path)

        try:
            with contextlib.ExitStack() as stack:
                for path in places:
                    places[path] = stack.enter_context(_held(path))
                check()
                found = read(*(Path(places[str(file)]) if isinstance(file, Path) else file for file in files))
                check()
        except OSError as error:
            kind = OutOfResources if lacks_resources(error) else InvalidModel
            path = next((path for path, place in places.items() if place == error.filename), error.filename)
            raise kind(unreadable(Path(str(path or "the model")), error)) from error
        self.check()
        return found

    @contextlib.contextmanager
    def opening(self, path: str) -> Iterator[str]:
        """Where ONNX Runtime finds the file `path`, and the others beside it and below: in the folder that is held.

        Raises:
            ContentMismatch: a file was changed before or while they were opened.
        """
        self.check()
        folder = str(Path(path).parent)
        below = set()
        for file, _ in self._stamps:
            up = os.path.dirname(file)  # noqa: PTH120 - objects of paths take longer
            while up.startswith(folder + os.sep):
                below.add(up)
                up = os.path.dirname(up)  # noqa: PTH120
        folders = StampedFiles([(one, stamp(one)) for one in below])
        with _held(folder) as there:

            def place_of(one: str) -> str:
                one = str(Path(one))
                return there + one[len(folder) :] if one.startswith(folder + os.sep) else one

            for files in (folders, self):
                files._check(place_of)
            try:
                yield place_of(path)
            except Exception as error:
                # Messages name files as the user knows them.
                error.args = tuple(one.replace(there, folder) if isinstance(one, str) else one for one in error.args)
                raise
            for files in (self, folders):
                files._check(place_of)
        self.check()


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
