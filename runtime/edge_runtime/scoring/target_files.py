"""The files that a run writes: they appear whole or not at all, and a run that was killed can go on.

Beside the target lie, as long as it is not whole, .scores.csv.partial with what is written so far, and
.scores.csv.journal, which says how much of it counts: up to which place of the source, with which counts. What is
behind that is cut off when a run goes on. The rows that were rejected lie in a file of their own in the same way.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge_runtime.contract.atomic_files import prepare_file, write_files
from edge_runtime.contract.errors import CannotWrite
from edge_runtime.contract.file_locks import close, is_own, locked, name_beside, opened_held
from edge_runtime.contract.file_targets import regular_file, write_all

_VERSION = 1
# What a fingerprint says, where it differs.
_OTHER = {
    "version": "another version of edge-predict",
    "model": "another model",
    "source": "another source, or the source has changed since",
    "options": "other options",
}
# More is in no journal of ours.
_LONGEST = 64 * 1024 * 1024


class PartialFile:
    """A file that is written beside the one that it becomes.

    Attributes:
        final: the path that it is for.
        path: where it is written.
    """

    def __init__(self, final: Path) -> None:
        """Write what becomes the file at `final`."""
        self.final = final
        self._real = Path(os.path.realpath(final))
        self.path = self._real.with_name(name_beside(self._real.name, "partial"))
        self._descriptor: int | None = None

    def open(self, size: int) -> bool:
        """Open it, with so many bytes of what is in it; whether it has as many.

        Raises:
            CannotWrite: it cannot be made, or is not this user's alone.
        """
        with writing(self.final):
            mode = 0o600 if self._real.exists() else 0o666
            descriptor = opened_held(self.path, mode)
            if descriptor is None:
                raise CannotWrite(f"another run is writing {self.final}; wait until it has ended")
            self._descriptor = descriptor
            status = os.fstat(descriptor)
            if not is_own(status) or (os.name != "nt" and status.st_nlink != 1):
                raise CannotWrite(f"{self.path} is somebody else's, or elsewhere too; remove it")
            has_all = status.st_size >= size
            os.ftruncate(descriptor, size if has_all else 0)
            os.lseek(descriptor, 0, os.SEEK_END)
        return has_all

    def write(self, content: Any) -> None:
        """Add bytes.

        Raises:
            CannotWrite: the disk is full, or fails.
        """
        assert self._descriptor is not None
        with writing(self.final):
            write_all(self._descriptor, content)

    def flush(self) -> None:
        """Let what was written outlast a loss of power.

        Raises:
            CannotWrite: the disk is full, or fails.
        """
        assert self._descriptor is not None
        with writing(self.final):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close it; what is in it stays there."""
        if self._descriptor is not None:
            close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Close and remove it."""
        self.close()
        _remove(self.path)


class TargetFiles:
    """The target of a run, its file of rejected rows, the file of its summary, and the journal.

    Attributes:
        target, rejects: what is written; None if there is no such file.
        found: what the journal of a run that was ended said, if this one goes on.
        is_kept: whether the files of an unfinished run stay there, for another one to go on.
    """

    def __init__(self, target: Path | None, rejects: Path | None = None, summary: Path | None = None) -> None:
        """Prepare to write; nothing is written before `begin`."""
        self._paths = [path for path in (target, rejects, summary) if path is not None]
        self.target = None if target is None else PartialFile(target)
        self.rejects = None if rejects is None else PartialFile(rejects)
        self._files = [file for file in (self.target, self.rejects) if file is not None]
        self._summary = summary
        self._journal: Path | None = None
        if target is not None:
            real = Path(os.path.realpath(target))
            self._journal = real.with_name(name_beside(real.name, "journal"))
        self.found: dict[str, Any] | None = None
        self.is_kept = False
        self._stack = contextlib.ExitStack()

    @property
    def path(self) -> Path | None:
        """Where the target is written."""
        return None if self.target is None else self.target.path

    def write(self, content: Any) -> None:
        """Add bytes to the target. Raises: as `PartialFile.write`."""
        assert self.target is not None
        self.target.write(content)

    def __enter__(self) -> Self:
        for path in self._paths:
            prepare_file(path)
        self._stack.enter_context(locked(self._paths))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for file in self._files:
                if self.is_kept:
                    file.close()
                else:
                    file.remove()
            if self._journal is not None and not self.is_kept:
                _remove(self._journal)
        finally:
            self._stack.close()

    def begin(self, fingerprint: Mapping[str, Any], resume: bool) -> None:
        """Open the files, to go on after what an earlier run has done, if there is such a one.

        Args:
            fingerprint: what the answers depend on, as JSON takes it.
            resume: whether to go on.

        Raises:
            CannotWrite: the earlier run answered something else, or a file cannot be written.
        """
        found = _read(self._journal) if resume else None
        if found is not None:
            self.is_kept = True  # if this raises an error
            for name, value in fingerprint.items():
                if found["fingerprint"].get(name) != value:
                    raise CannotWrite(
                        f"{self._paths[0]}: the run that was ended had {_OTHER[name]}; run without --resume to begin "
                        "again"
                    )
        sizes = (found["target"]["bytes"], found["rejects"]) if found is not None else (0, 0)
        are_there = [file.open(size) for file, size in zip(self._files, sizes, strict=False)]
        if found is not None and not all(are_there):
            found = None
            for file in self._files:
                file.close()
                file.open(0)
        if found is None and self._journal is not None:
            _remove(self._journal)
        self.found, self.is_kept = found, found is not None
        self._fingerprint = dict(fingerprint)

    def commit(self, target: Mapping[str, Any], rejects: int, progress: Mapping[str, Any]) -> None:
        """Say how much of what is written counts, once it is on the disk.

        Args:
            target: the state of the target's sink.
            rejects: the bytes of the file of rejected rows.
            progress: where the source goes on, and all counts, as JSON takes it.

        Raises:
            CannotWrite: the disk is full, or fails.
        """
        assert self._journal is not None
        for file in self._files:
            file.flush()
        journal = {
            "version": _VERSION,
            "fingerprint": self._fingerprint,
            "target": dict(target),
            "rejects": rejects,
            **progress,
        }
        beside = self._journal.with_name(f"{self._journal.name}.new")
        with writing(self._paths[0]):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
            descriptor = os.open(beside, flags, 0o600)
            try:
                try:
                    write_all(descriptor, json.dumps(journal).encode())
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                beside.replace(self._journal)
            except OSError:
                _remove(beside)
                raise
        self.is_kept = True

    def finish(self, summary: bytes) -> None:
        """Put all files in their places.

        Raises:
            CannotWrite: one of them cannot be; then none is.
        """
        contents: dict[Path, bytes | Path | None] = {}
        for file in self._files:
            file.flush()
            file.close()
            contents[file.final] = file.path
        if self._summary is not None:
            contents[self._summary] = summary
        if contents:
            write_files(contents)
        self.is_kept = False


@contextlib.contextmanager
def writing(path: Path) -> Any:
    """Raise `CannotWrite` for what the system says while `path` is written.

    Raises:
        CannotWrite: an OSError was raised within.
    """
    try:
        yield
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror or error}") from error


def is_replaced(path: Path) -> bool:
    """Whether a file at `path` is replaced: a device, a pipe or a descriptor is written into.

    Raises:
        CannotWrite: it is a folder, or nothing that can be written.
    """
    if path.is_dir():
        raise CannotWrite(f"{path} is a folder; give the name of a file in it")
    with writing(path):
        return regular_file(path) is not None


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _read(journal: Path | None) -> dict[str, Any] | None:
    """The journal of an earlier run; None if there is none that is whole."""
    if journal is None:
        return None
    try:
        status = os.lstat(journal)
        if not is_own(status) or status.st_size > _LONGEST:
            return None
        found = json.loads(journal.read_bytes())
        is_whole = found["version"] == _VERSION and isinstance(found["fingerprint"], dict)
        return found if is_whole and found["target"]["bytes"] >= 0 <= found["rejects"] else None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
