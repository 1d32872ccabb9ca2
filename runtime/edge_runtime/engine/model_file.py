"""The file of a model: whether it can be read, whether it has changed, and its format."""

import os
import stat
from pathlib import Path
from typing import NamedTuple, TypeAlias

from edge_runtime.contract.data_file import ENTRY_SIZE, data_file_in
from edge_runtime.contract.errors import InvalidModel, ModelNotFound
from edge_runtime.contract.terminal import unreadable

Stamp: TypeAlias = tuple[int, int, int, int]

NO_STAMP: Stamp = (0, 0, 0, 0)


class ModelFile(NamedTuple):
    """What opens a model, and what its file tells before.

    Attributes:
        source: its path, or its content.
        stamp: see `stamp`; zeros for a content.
        data: its data file, see `contract.data_file`; None if it has none.
    """

    source: str | bytes
    stamp: Stamp
    data: Path | None


def stamp(path: Path) -> Stamp:
    """What distinguishes a file from another one with its name; zeros if the file does not exist."""
    try:
        return _stamp_of(path.stat())
    except OSError:
        return NO_STAMP


def _stamp_of(found: os.stat_result) -> Stamp:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def is_ort_format(source: Path | str | bytes) -> bool:
    """Whether a model is in ORT format, by the file identifier of its FlatBuffers schema: ORTM."""
    if isinstance(source, bytes):
        return source[4:8] == b"ORTM"
    with Path(source).open("rb") as file:
        return file.read(8)[4:] == b"ORTM"


def examined(path: Path) -> ModelFile:
    """What ONNX Runtime can open `path` by, and what else the file tells before it is opened. It is read at its end.

    Checked here because ONNX Runtime's own messages do not name the cause.

    Raises:
        ModelNotFound: the file does not exist, or its data file.
        InvalidModel: it is a folder, is empty, or cannot be read; its data file is cut, or belongs to another model.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - Path.open takes twice as long
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                # A pipe can be read only once.
                return of_content(file.readall())
            if not found.st_size:
                raise InvalidModel(f"{path} is empty; export the model again")
            file.seek(max(0, found.st_size - ENTRY_SIZE))
            data = data_file_in(file.readall())
    except OSError as error:
        if os.path.isdir(path):  # noqa: PTH112 - it does not raise for long names
            raise InvalidModel(f"{path} is a folder, not a model file") from None
        kind = ModelNotFound if isinstance(error, FileNotFoundError) else InvalidModel
        raise kind(unreadable(path, error)) from error
    except ValueError as error:
        if isinstance(error, InvalidModel):
            raise
        raise InvalidModel(f"{str(path)!r} is not a path: {error}") from error
    return ModelFile(str(path), _stamp_of(found), None if data is None else data.beside(path))


def of_content(content: bytes) -> ModelFile:
    """The same for a model that is given by its content.

    Raises:
        InvalidModel: its weights are in a data file.
    """
    if (data := data_file_in(content)) is not None:
        raise InvalidModel(f"the model has its weights in {data.name}, so open it by the path of the .onnx file")
    return ModelFile(content, NO_STAMP, None)
