"""The file of a model: whether it can be read, whether it has changed, and its format."""

from pathlib import Path

from edge_runtime.contract.data_file import data_file_in
from edge_runtime.contract.errors import InvalidModel, ModelNotFound
from edge_runtime.contract.terminal import unreadable


def stamp(path: Path) -> tuple[int, int, int, int]:
    """What distinguishes a file from another one with its name; zeros if the file does not exist."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def is_ort_format(source: Path | str | bytes) -> bool:
    """Whether a model is in ORT format, by the file identifier of its FlatBuffers schema: ORTM."""
    if isinstance(source, bytes):
        return source[4:8] == b"ORTM"
    with Path(source).open("rb") as file:
        return file.read(8)[4:] == b"ORTM"


def readable(path: Path) -> str | bytes:
    """What ONNX Runtime can open `path` by: the path, or the content if it is a pipe.

    Checked here because ONNX Runtime's own messages do not name the cause.

    Raises:
        ModelNotFound: the file does not exist.
        InvalidModel: it is a folder, is empty, or cannot be read.
    """
    try:
        if path.is_dir():
            raise InvalidModel(f"{path} is a folder, not a model file")
        with path.open("rb") as file:
            # A pipe can be read only once.
            if not path.is_file():
                return file.read()
            if not file.read(1):
                raise InvalidModel(f"{path} is empty; export the model again")
    except OSError as error:
        kind = ModelNotFound if isinstance(error, FileNotFoundError) else InvalidModel
        raise kind(unreadable(path, error)) from error
    except ValueError as error:
        if isinstance(error, InvalidModel):
            raise
        raise InvalidModel(f"{str(path)!r} is not a path: {error}") from error
    return str(path)


def data_file_of(source: str | bytes) -> Path | None:
    """The data file of a model, given by its path or its content, see `contract.data_file`; None if it has none.

    Raises:
        ModelNotFound: it is missing.
        InvalidModel: it is cut, belongs to another model, or only the model's content is given.
    """
    if isinstance(source, bytes):
        if (data := data_file_in(source)) is not None:
            raise InvalidModel(f"the model has its weights in {data.name}, so open it by the path of the .onnx file")
        return None
    try:
        data = data_file_in(Path(source))
    except OSError as error:
        raise InvalidModel(unreadable(Path(source), error)) from error
    return None if data is None else data.beside(Path(source))
