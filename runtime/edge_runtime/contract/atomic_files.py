"""Writing files so that a crash, Ctrl-C or a full disk leaves the old files or the new ones, never a part of them."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edge_runtime.contract.errors import CannotWrite
from edge_runtime.contract.file_locks import (
    close,
    held_if_left,
    hold_existing,
    name_beside,
    new_file,
    new_path,
    remove_held,
)
from edge_runtime.contract.file_modes import keep_access
from edge_runtime.contract.file_sets import finish_killed, put_in_place
from edge_runtime.contract.file_targets import blocks, regular_file, write_all, write_into


def write_files(contents: Mapping[Path, bytes | Path | None]) -> None:
    """Write each content to its path: all of them or, if one cannot be written, none.

    All are written beside their targets and flushed to the disk first. Then devices, FIFOs and descriptors are written,
    and last the files are moved over their targets, in their order. A file that is replaced keeps its mode and, as far
    as the system allows, its owner, group and ACL. A new file gets its mode from the umask.

    One file is moved at once. If the process is killed while it moves several, some may be new and some old until the
    next call of this or `prepare_file` for a file in the folder of the first one: that call puts the old ones back. It
    also removes what killed processes of this user have left beside its files. Both need a file system with locks.

    Args:
        contents: by path bytes, the path of a finished file, which is moved, or None to remove the file.

    Raises:
        CannotWrite: a folder is missing or read-only, the disk is full, or a path is a folder. No file has changed;
            what was written into a device, a FIFO or a descriptor stays there.
    """
    path = Path()
    targets: dict[Path, Path] = {}
    with contextlib.ExitStack() as stack:
        try:
            for path in contents:
                if (target := regular_file(path)) is not None:
                    targets[path] = target
            _tidy(targets.values())
            files: dict[Path, Path | None] = {}
            for path, target in targets.items():
                content = contents[path]
                files[target] = None if content is None else _written_beside(target, content, stack)
            for path, content in contents.items():
                if path not in targets and content is not None:
                    write_into(path, content)
            if files:
                path = next(iter(targets))
                put_in_place(files.items())
        except CannotWrite:
            raise
        except OSError as error:
            named = {str(error.filename), str(error.filename2)}
            path = next((path for path, target in targets.items() if str(target) in named), path)
            raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error


def prepare_file(path: Path) -> None:
    """Check that `path` can be written, before hours of work are lost. Its folder is made if it is missing.

    What killed processes have left is undone and removed, as by `write_files`.

    Raises:
        CannotWrite: its folder cannot be made or written in, or `path` is a folder or nothing to write into.
    """
    if path.is_dir():
        raise CannotWrite(f"{path} is a folder; move it, or choose another folder")
    try:
        target = regular_file(path)
        if target is None:
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        make_folder(target.parent if path.is_symlink() else path.parent)
        _tidy([target])
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, whose files `write_files` moves from there at no cost.

    It is removed in the end; if the process is killed, by the next `write_files` or `prepare_file` for `path`.

    Raises:
        CannotWrite: it cannot be made.
    """
    target = Path(os.path.realpath(path))
    folder = new_path(target)
    try:
        folder.mkdir(0o700)
        # Windows opens no folder.
        descriptor = None if os.name == "nt" else hold_existing(folder)
    except OSError as error:
        raise CannotWrite(f"no file can be written in {path.parent}: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder` if it is missing, and check that files can be made in it.

    Raises:
        CannotWrite: it cannot be made, or files cannot be written in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_file_in(folder, error) from error
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Check that files can be made in `folder` or, if it is missing, in the folder that it would be made in.

    Raises:
        CannotWrite: they cannot.
    """
    # It takes 10 ms to import, and most commands write no file.
    import tempfile

    # os.path, since Path.exists raises an error on a folder that may not be read.
    there = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _no_file_in(folder, error) from error


def _no_file_in(folder: Path, error: OSError) -> CannotWrite:
    for path in (folder, *folder.parents):
        with contextlib.suppress(OSError):  # of a folder that may not be read
            if path.is_file():
                return CannotWrite(f"{path} is a file, not a folder")
    return CannotWrite(f"no file can be written in {folder}: {error.strerror}")


def _written_beside(target: Path, content: bytes | Path, stack: contextlib.ExitStack) -> Path:
    """A finished file with the content beside `target`, which ends with `stack` if it is not moved by then."""
    try:
        old = os.lstat(target)
    except FileNotFoundError:
        old = None
    if isinstance(content, Path):
        beside, descriptor = _moved_beside(target, content, old)
    else:
        # Never readable by more people than the old file.
        beside, descriptor = new_file(target, 0o666 if old is None else 0o600)
    if os.name == "nt":
        stack.callback(beside.unlink, missing_ok=True)
    else:
        stack.callback(remove_held, beside, descriptor)
    try:
        if isinstance(content, bytes):
            write_all(descriptor, content)
        if old is not None:
            keep_access(descriptor, target, old)
        os.fsync(descriptor)
    finally:
        if os.name == "nt":  # an open file cannot be moved there
            close(descriptor)
    return beside


def _moved_beside(target: Path, content: Path, old: os.stat_result | None) -> tuple[Path, int]:
    beside = new_path(target)
    descriptor = hold_existing(content)
    try:
        if old is not None:
            keep_access(descriptor, target, old)
        if os.name == "nt":
            close(descriptor)
        content.rename(beside)
    except OSError as error:
        if os.name != "nt":
            close(descriptor)
        if error.errno != errno.EXDEV:
            raise
        beside, descriptor = new_file(target, 0o666 if old is None else 0o600)
        try:
            for block in blocks(content):
                write_all(descriptor, block)
            content.unlink()
        except BaseException:
            remove_held(beside, descriptor)
            raise
        return beside, descriptor
    return beside, hold_existing(beside) if os.name == "nt" else descriptor


def _tidy(targets: Iterable[Path]) -> None:
    """Undo what killed processes have left half done in the folders of `targets`, and remove what lies beside these."""
    names: dict[Path, list[str]] = {}
    for target in targets:
        names.setdefault(target.parent, []).append(re.escape(name_beside(target.name, "")))
    for folder, beginnings in names.items():
        finish_killed(folder)
        left = re.compile(f"(?:{'|'.join(beginnings)})[0-9a-f]{{8}}\\.tmp")
        try:
            found = [entry.name for entry in os.scandir(folder) if left.fullmatch(entry.name)]
        except OSError:  # it is missing, or may not be read
            continue
        for path in (folder / name for name in found):
            if (descriptor := held_if_left(path)) is None:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            remove_held(path, descriptor)
