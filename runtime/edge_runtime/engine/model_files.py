"""What a user gives as a model: a path, a content or a binary file, and whether it can be read."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.contract.data_file import ENTRY_SIZE
from edge_runtime.contract.errors import EdgePredictError, InvalidInput, InvalidModel, ModelNotFound, OutOfResources
from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.terminal import counted, one_line, printable, unreadable
from edge_runtime.engine.file_stamps import NO_STAMP, Stamp, stamp_of
from edge_runtime.engine.ort_errors import lacks_resources

# The largest file, in bytes, that is read and opened by its content, which nobody can change then. By its path a
# larger one takes less time, and less memory: ONNX Runtime holds a content several times while it opens it.
HELD_SIZE = 1024 * 1024

# So much of a pipe, or of somebody's file, is read at a time.
_BLOCK = 1024 * 1024
_BY_MODE = "open it with mode 'rb'"

# Windows has the first. With the second, a pipe that has just taken the place of a file is not waited for.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def as_path(given: Any, meaning: str, error: type[EdgePredictError]) -> Path:
    """The path that a user has given, with the home of the user in place of ~.

    Raises:
        EdgePredictError: `error`, if it is not a path; the message says what `meaning` is.
    """
    return Path(place_of(given, meaning, error))


def place_of(given: Any, meaning: str, error: type[EdgePredictError]) -> str:
    """As `as_path`. A string: objects of paths take longer to make than a file to read."""
    expected = f"{meaning} is given by its path{', its content, or a binary file' if error is InvalidModel else ''}"
    # By its type: `__class__` may be a method of somebody's object.
    if not issubclass(type(given), str | os.PathLike):
        raise error(f"{expected}, found {type(given).__name__}")
    try:
        path = os.fsdecode(given)
    except Exception as problem:  # of somebody's __fspath__
        raise error(f"{meaning} is given by its path: {_reason(problem)}") from problem
    if not path:
        # It would be the current folder.
        raise error(f"{expected}, found an empty string")
    # If nobody has such a home, it is a name that begins with ~.
    return os.path.expanduser(path) if path.startswith("~") else path  # noqa: PTH111


def absolute(path: str) -> str:
    """`path` from the root; what follows "..", which may lead through a link, is left as it is."""
    if path.startswith("/") and os.sep == "/":
        return path
    return str(Path(path).absolute()) if os.name == "nt" else os.path.join(os.getcwd(), path)  # noqa: PTH118, PTH109


def content_in(model: Any, limits: Limits) -> bytes | None:
    """The content that `model` is, or that can be read from it; None if it may be a path.

    Raises:
        InvalidModel: it is empty, has more than `limits.model_bytes`, or cannot be read.
        OutOfResources: it cannot be read now.
    """
    try:
        if isinstance(model, str | os.PathLike):
            return None
        if isinstance(model, bytes | bytearray | memoryview):
            content = bytes(model)
        elif callable(read := getattr(model, "read", None)):
            content = _read_blocks(read, "the model's file", limits)
        else:
            return None
    except (UnicodeError, io.UnsupportedOperation) as problem:
        raise InvalidModel(f"the model's file is not open for reading bytes; {_BY_MODE}") from problem
    except InvalidModel:
        raise
    except Exception as problem:  # of somebody's file
        if is_from_handler(problem):
            raise
        if lacks_resources(problem):
            raise OutOfResources(f"the model cannot be read now: {_reason(problem)}") from problem
        raise InvalidModel(f"the model cannot be read: {_reason(problem)}") from problem
    if not content:
        raise InvalidModel("the model is empty: it has 0 bytes")
    _check_size(len(content), "the model", limits)
    return content


def examined(path: str, limits: Limits) -> tuple[bytes | None, bytes, Stamp]:
    """The content of `path` if it is held; its end, with the last of its metadata; its stamp if it is a file.

    Checked here because ONNX Runtime's own messages do not name the cause. By a descriptor, which takes half as long as
    a file object.

    Raises:
        ModelNotFound: the file does not exist.
        InvalidModel: it is a folder, a device or a socket, is empty, has more than `limits.model_bytes`, or cannot be
            read; it is a pipe that nobody writes to within `limits.pipe_seconds`.
    """
    try:
        # To open a pipe may wait for ever, and a device may never end.
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a path takes longer to make
            return _from_pipe(path, limits)
        descriptor = os.open(path, _READ)
        try:
            found = os.fstat(descriptor)
            _check_size(found.st_size, printable(path), limits)
            if found.st_size > HELD_SIZE:
                content = None
                os.lseek(descriptor, max(0, found.st_size - ENTRY_SIZE), os.SEEK_SET)
                end = os.read(descriptor, ENTRY_SIZE)
            else:
                # What a file has beside its size was written just now.
                content = end = _read(descriptor, found.st_size)
        finally:
            os.close(descriptor)
    except InvalidModel:
        raise
    except OSError as error:
        if os.path.isdir(path):  # noqa: PTH112 - it does not raise for long names
            raise InvalidModel(f"{printable(path)} is a folder, not a model file") from None
        kind = ModelNotFound if isinstance(error, FileNotFoundError) else InvalidModel
        raise (OutOfResources if lacks_resources(error) else kind)(unreadable(Path(path), error)) from error
    except ValueError as error:
        raise InvalidModel(f"{path!r} is not a path: {error}") from error
    if not end:
        raise _empty(path)
    return content, end, stamp_of(found)


def _from_pipe(path: str, limits: Limits) -> tuple[bytes, bytes, Stamp]:
    """As `examined`, of a pipe, which can be read only once. Raises: as `examined`, and OSError."""
    # Most models are files.
    from edge_runtime.contract.opened_files import open_file

    with open_file(path, limits) as pipe:
        content = _read_blocks(pipe.read, printable(path), limits)
    if not content:
        raise _empty(path)
    return content, content, NO_STAMP


def _read_blocks(read: Callable[[int], Any], name: str, limits: Limits) -> bytes:
    """All that can be read, up to `limits.model_bytes`."""
    blocks: list[bytes] = []
    size, most = 0, limits.model_bytes
    while True:
        block = read(_BLOCK)
        if not isinstance(block, bytes | bytearray | memoryview):
            raise InvalidModel(f"{name} gives {type(block).__name__}, not bytes; {_BY_MODE}")
        if not len(block):
            return b"".join(blocks)
        blocks.append(bytes(block))
        size += len(block)
        if most is not None and size > most:
            raise InvalidModel(f"{name} holds more than {counted(most, 'byte')}{how_to_raise('model_bytes')}")


def _check_size(size: int, name: str, limits: Limits) -> None:
    most = limits.model_bytes
    if most is not None and size > most:
        raise InvalidModel(f"{name} has {counted(size, 'byte')}; the limit is {most:,}{how_to_raise('model_bytes')}")


def _empty(path: str) -> InvalidModel:
    return InvalidModel(f"{printable(path)} is empty; export the model again")


def _read(descriptor: int, size: int) -> bytes:
    """All that can be read from `descriptor`: one call if it has `size` bytes, as is usual."""
    content = os.read(descriptor, size + 1)
    if len(content) == size:
        return content
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        return content + file.readall()


def digest_of(given: Any) -> str:
    """The digest that a user has given, as hashlib writes it."""
    digits = given.lower() if issubclass(type(given), str) else ""
    if len(digits) != 64 or digits.strip("0123456789abcdef"):
        raise InvalidInput("sha256 is the SHA-256 of the model's file: 64 hex digits, as sha256sum prints them")
    return digits


def folder_for(given: Any, path: str) -> Path:
    """The data folder `given` for a model, whose `path` is empty if it is a content."""
    folder = as_path(given, "data_folder", InvalidInput).absolute()
    if path:
        raise InvalidInput("data_folder is for a model's content; the data of a file lies beside it")
    try:
        is_folder = folder.is_dir()
    except ValueError:
        is_folder = False
    if not is_folder:
        raise InvalidInput(f"data_folder is not a folder: {printable(folder)}")
    return folder


def _reason(problem: Exception) -> str:
    return one_line(problem) or type(problem).__name__
