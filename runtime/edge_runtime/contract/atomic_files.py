"""Writing files so that a crash, Ctrl-C or a full disk leaves the old file or the new one, never a part of it."""

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge_runtime.contract.errors import CannotWrite


def write_files(contents: Mapping[Path, bytes | Path]) -> None:
    """Write each content to its path.

    All are written beside their targets and flushed to the disk first. Then they are moved over their targets, in their
    order.

    Args:
        contents: what to write by path: bytes, or the path of a finished file, which is moved.

    Raises:
        CannotWrite: a folder is missing or read-only, the disk is full, or a path is a folder. No target has changed.
    """
    written: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            target = Path(os.path.realpath(path))  # so that a link stays a link
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
            written[beside] = target
            if isinstance(content, Path):
                shutil.move(content, beside)
            with beside.open("xb" if isinstance(content, bytes) else "r+b") as file:
                if isinstance(content, bytes):
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for beside, target in written.items():
            beside.replace(target)
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error
    finally:
        for beside in written:
            beside.unlink(missing_ok=True)


def prepare_file(path: Path) -> None:
    """Check that `path` can be written, before hours of work are lost. Its folder is made if it is missing.

    Raises:
        CannotWrite: its folder cannot be made or written in, or `path` is a folder.
    """
    make_folder(path.parent)
    if path.is_dir():
        raise CannotWrite(f"{path} is a folder; move it, or choose another folder")


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
