"""What answers are written to, checked before anything is read."""

import os
from pathlib import Path
from typing import Any

from edge_runtime.contract.errors import CannotWrite, InvalidInput
from edge_runtime.contract.file_targets import write_into
from edge_runtime.predictor import Predictor
from edge_runtime.scoring.job import Stream
from edge_runtime.scoring.sources import Opened
from edge_runtime.scoring.target_files import TargetFiles, is_replaced


def targets(
    predictor: Predictor, source: Opened, target: Any, rejects: Path | None, summary: Path | None, resume: bool
) -> tuple[TargetFiles, Stream | None]:
    """The files of a run, and where the answers go if that is not one of them.

    Args:
        predictor: the model.
        source: what is scored.
        target: a path, or an object that bytes can be written to.
        rejects: the file of the rows that are not answered, if there is to be one.
        summary: the file of the summary, likewise.
        resume: whether the run is to go on after another one.

    Raises:
        CannotWrite: a path is a folder, is that of another file of the run, or is the source or a file of the model; or
            what is written into cannot be resumed.
        InvalidInput: the target is none, or the source cannot be resumed.
    """
    path = target if isinstance(target, Path) else None
    named = {"the target": path, "the file of rejected rows": rejects, "the summary": summary}
    seen = {_identity(file): f"a file of the model, {file}" for file in predictor._source.files}
    seen.update((_identity(file), f"the source {file}") for file in source.files)
    for name, one in named.items():
        if one is None:
            continue
        replaced, same = is_replaced(one), _identity(one)
        if replaced and same in seen:
            raise CannotWrite(f"{one} cannot be {name}: it is {seen[same]}; choose another name")
        seen[same] = f"{name} too"
    if path is not None and is_replaced(path):
        if resume and not source.files:
            raise InvalidInput(f"{source.name} is read once, so that a run over it cannot be resumed")
        return TargetFiles(path, rejects, summary), None
    if resume:
        raise CannotWrite("only a run that writes a file can be resumed")
    stream = _into(path) if path is not None else _to(target)
    return TargetFiles(None, rejects, summary), stream


def _identity(path: str | Path) -> Any:
    """What tells a file from others: one may have several names, also by the case of their letters."""
    try:
        status = os.stat(path)  # noqa: PTH116 - it may be a string
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def _into(path: Path) -> Stream:
    """A device, a pipe or a descriptor, which is written into."""

    def write(content: Any) -> None:
        try:
            write_into(path, bytes(content))
        except OSError as error:
            raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error

    return Stream(write, lambda: None)


def _to(target: Any) -> Stream:
    """An object that bytes can be written to."""
    # A file of text has an encoding.
    if not callable(getattr(target, "write", None)) or hasattr(target, "encoding"):
        raise InvalidInput(f"a target is a path, or a file open for writing bytes, found {type(target).__name__}")

    def write(content: Any) -> None:
        rest = memoryview(content)
        while len(rest):
            # A raw file may take a part of it.
            written = target.write(rest)
            rest = rest[written if isinstance(written, int) else len(rest) :]

    return Stream(write, getattr(target, "flush", lambda: None))
