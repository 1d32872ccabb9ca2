"""Writing files so that a crash, Ctrl-C or a full disk leaves the old file or the new one, never half of one."""

import os
from pathlib import Path

from edge_train.errors import CannotWrite


def write_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`: written beside it, flushed to the disk, moved over it.

    Raises:
        CannotWrite: the folder is missing or read-only, the disk is full, or `path` is a folder.
    """
    target = path.resolve()  # a link keeps pointing where it points
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error


def make_folder(folder: Path) -> None:
    """Make `folder` if it is missing, and see that files can be made in it, before hours of work end in nowhere.

    Raises:
        CannotWrite: it cannot be made, or nothing can be written in it.
    """
    probe = folder / f".{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise CannotWrite(f"no file can be written in {folder}: {error.strerror}") from error
