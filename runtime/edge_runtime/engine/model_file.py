"""A model's file: whether it can be read, whether it is still the same, what format it is in."""

from pathlib import Path

from edge_runtime.contract.errors import (
    InvalidModel,
    ModelNotFound,
)


def stamp(path: Path) -> tuple[int, int, int, int]:
    """What tells a file from another one of its name; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def is_ort_format(source: Path | str | bytes) -> bool:
    """Whether a model is in ORT format: by the file identifier of its FlatBuffers schema, ORTM."""
    if isinstance(source, bytes):
        return source[4:8] == b"ORTM"
    with Path(source).open("rb") as file:
        return file.read(8)[4:] == b"ORTM"


def readable(path: Path) -> str | bytes:
    """What ONNX Runtime can open `path` by, if it can be read: its own words for the other cases name no cause."""
    try:
        if path.is_dir():
            raise InvalidModel(f"{path} is a folder, not a model file")
        with path.open("rb") as file:
            # A pipe can be read once only.
            if not path.is_file():
                return file.read()
            if not file.read(1):
                raise InvalidModel(f"{path} is empty; export the model again")
    except FileNotFoundError as error:
        raise ModelNotFound(f"no such file: {path}") from error
    except OSError as error:
        raise InvalidModel(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        if isinstance(error, InvalidModel):
            raise
        raise InvalidModel(f"{str(path)!r} is no path: {error}") from error
    return str(path)
