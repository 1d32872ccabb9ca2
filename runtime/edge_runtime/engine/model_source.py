"""Where a model comes from: a file or a content, whether it can be read, and whether it has changed."""

import io
import os
import stat
from pathlib import Path
from typing import Any, TypeAlias

from edge_runtime.contract.data_file import ENTRY_SIZE, DataFile, data_file_in
from edge_runtime.contract.errors import EdgePredictError, InvalidInput, InvalidModel, ModelNotFound, OutOfResources
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.terminal import one_line, printable, unreadable
from edge_runtime.contract.workload import has_small_rows
from edge_runtime.engine.ort_errors import lacks_resources

Stamp: TypeAlias = tuple[int, int, int, int]

NO_STAMP: Stamp = (0, 0, 0, 0)

_WORKLOAD = WORKLOAD_KEY.encode()

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # which Windows has


class ModelSource:
    """A model's file as it was when this was made, or a model's content.

    Attributes:
        loadable: what ONNX Runtime opens it by: the absolute path of the file; or the content, if that was given, or
            was read from a pipe.
        data_folder: for a content, the absolute path of the folder with the files that it refers to, if that was given.
        data: the data file of the model, see `contract.data_file`; None if it has none.
        has_small_rows: whether no call of it needs much memory at a time, see `contract.workload`.
        says_workload: whether it says how much work a row takes, in its last bytes.
    """

    def __init__(self, model: Any, data_folder: Any = None) -> None:
        """What opens the model `model`, see `Predictor`.

        Raises:
            ModelNotFound: the file, or its data file, does not exist.
            InvalidModel: it is not what can hold a model, is empty, or cannot be read; its data file is cut, belongs to
                another model, or is in an unknown folder.
            InvalidInput: `data_folder` is not a folder, or is given for a file.
        """
        self._path = ""
        self.loadable: str | bytes
        self._stamp: Stamp = NO_STAMP
        if (content := None if isinstance(model, str | Path) else _content(model)) is None:
            self._path = _place(model, "a model", InvalidModel)
            content, end, self._stamp = _examined(self._path)
            self.loadable = _absolute(self._path)
        if content is not None:
            self.loadable, end = content, content
        self.data_folder = None if data_folder is None else _folder(data_folder, self.model)
        place = end.rfind(_WORKLOAD, -ENTRY_SIZE)
        self.says_workload = place >= 0
        self.has_small_rows = self.says_workload and has_small_rows(end[place:])
        data = data_file_in(end)
        self.data = None if data is None else self._located(data)

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return printable(self._path) if self._path else "the model"

    @cached_property
    def model(self) -> Path | bytes:
        """`loadable`, the path as an object."""
        return self.loadable if isinstance(self.loadable, bytes) else Path(self.loadable)

    def __repr__(self) -> str:
        return f"<{len(self.model):,} bytes>" if isinstance(self.model, bytes) else repr(self.model.name)

    def __reduce__(self) -> tuple[type["ModelSource"], tuple[Path | bytes, Path | None]]:
        return type(self), (self.model, self.data_folder)

    def is_unchanged(self) -> bool:
        """Whether the file is still the one that was opened, so that opening it again gives the same model."""
        return isinstance(self.loadable, bytes) or stamp(self.loadable) == self._stamp

    def again(self) -> "ModelSource":
        """The same place, as it is now. Raises: as the constructor."""
        path = self.model
        if isinstance(path, Path) and path.exists() and not (path.is_file() or path.is_dir()):
            # To read it could take for ever.
            raise InvalidModel(f"{printable(path)} is a pipe or a device now, not a model file")
        return ModelSource(self.model, self.data_folder)

    @property
    def size(self) -> int:
        """The size of the model, in bytes, with that of its data file."""
        own = len(self.model) if isinstance(self.model, bytes) else self._stamp[2]
        return own + (0 if self.data is None else stamp(self.data)[2])

    @property
    def is_ort_format(self) -> bool:
        """Whether it is in ORT format, by the file identifier of its FlatBuffers schema: ORTM."""
        if isinstance(self.model, bytes):
            return self.model[4:8] == b"ORTM"
        with self.model.open("rb") as file:
            return file.read(8)[4:] == b"ORTM"

    def content_sha256(self) -> str | None:
        """`contract.certificate.content_sha256` of the model's file, and its data file, as they are now.

        Raises:
            ModelNotFound, InvalidModel: a file does not exist any more, or cannot be read.
        """
        # Most programs only predict.
        from edge_runtime.contract.certificate import content_sha256

        now = self.again()
        try:
            return content_sha256(now.model, now.data)
        except OSError as error:
            raise InvalidModel(f"{self.name} cannot be read: {error.strerror}") from error

    def _located(self, data: DataFile) -> Path:
        if not isinstance(self.model, bytes):
            return data.beside(self.model)
        if self.data_folder is None:
            raise InvalidModel(
                f"the model has its weights in {data.name}; open it by the path of the .onnx file, or pass the folder "
                f"of {data.name} as data_folder"
            )
        return data.beside(self.data_folder / data.name.removesuffix(".data"))


def as_path(given: Any, meaning: str, error: type[EdgePredictError]) -> Path:
    """The path that a user has given, with the home of the user in place of ~.

    Raises:
        EdgePredictError: `error`, if it is not a path; the message says what `meaning` is.
    """
    return Path(_place(given, meaning, error))


def _place(given: Any, meaning: str, error: type[EdgePredictError]) -> str:
    """As `as_path`. A string: objects of paths take longer to make than a file to read."""
    expected = f"{meaning} is given by its path{', its content, or a binary file' if error is InvalidModel else ''}"
    if not isinstance(given, str | os.PathLike):
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


def _absolute(path: str) -> str:
    """`path` from the root; what follows "..", which may lead through a link, is left as it is."""
    if path.startswith("/") and os.sep == "/":
        return path
    return str(Path(path).absolute()) if os.name == "nt" else os.path.join(os.getcwd(), path)  # noqa: PTH118, PTH109


def _content(model: Any) -> bytes | None:
    """The content that `model` is, or that can be read from it; None if it may be a path."""
    by_mode = "open it with mode 'rb'"
    try:
        if isinstance(model, bytes | bytearray | memoryview):
            content: Any = bytes(model)
        elif callable(read := getattr(model, "read", None)):
            content = read()
        else:
            return None
    except (UnicodeError, io.UnsupportedOperation) as problem:
        raise InvalidModel(f"the model's file is not open for reading bytes; {by_mode}") from problem
    except Exception as problem:  # of somebody's file
        if is_from_handler(problem):
            raise
        if lacks_resources(problem):
            raise OutOfResources(f"the model cannot be read now: {_reason(problem)}") from problem
        raise InvalidModel(f"the model cannot be read: {_reason(problem)}") from problem
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InvalidModel(f"the model's file gives {type(content).__name__}, not bytes; {by_mode}")
    if not len(content):
        raise InvalidModel("the model is empty: it has 0 bytes")
    return bytes(content)


def _examined(path: str) -> tuple[bytes | None, bytes, Stamp]:
    """The content of `path` if it is a pipe, else None; its end, with the last of its metadata; its stamp.

    Checked here because ONNX Runtime's own messages do not name the cause. By a descriptor, which takes half as long as
    a file object.

    Raises:
        ModelNotFound: the file does not exist.
        InvalidModel: it is a folder, is empty, or cannot be read.
    """
    try:
        descriptor = os.open(path, _READ)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                if found.st_size > ENTRY_SIZE:
                    os.lseek(descriptor, -ENTRY_SIZE, os.SEEK_END)
                content, end, known = None, os.read(descriptor, ENTRY_SIZE), _stamp_of(found)
            else:
                # A pipe can be read only once.
                with open(descriptor, "rb", buffering=0, closefd=False) as file:
                    content = end = file.readall()
                known = NO_STAMP
        finally:
            os.close(descriptor)
    except OSError as error:
        if os.path.isdir(path):  # noqa: PTH112 - it does not raise for long names
            raise InvalidModel(f"{printable(path)} is a folder, not a model file") from None
        kind = ModelNotFound if isinstance(error, FileNotFoundError) else InvalidModel
        raise (OutOfResources if lacks_resources(error) else kind)(unreadable(Path(path), error)) from error
    except ValueError as error:
        raise InvalidModel(f"{path!r} is not a path: {error}") from error
    if not end:
        raise InvalidModel(f"{printable(path)} is empty; export the model again")
    return content, end, known


def _folder(given: Any, model: Path | bytes) -> Path:
    """The data folder `given` for `model`."""
    folder = as_path(given, "data_folder", InvalidInput).absolute()
    if not isinstance(model, bytes):
        raise InvalidInput("data_folder is for a model's content; the data of a file lies beside it")
    try:
        is_folder = folder.is_dir()
    except ValueError:
        is_folder = False
    if not is_folder:
        raise InvalidInput(f"data_folder is not a folder: {printable(folder)}")
    return folder


def stamp(path: str | Path) -> Stamp:
    """What distinguishes a file from another one with its name; zeros if the file does not exist."""
    try:
        return _stamp_of(os.stat(path))  # noqa: PTH116
    except OSError:
        return NO_STAMP


def _stamp_of(found: os.stat_result) -> Stamp:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _reason(problem: Exception) -> str:
    return one_line(problem) or type(problem).__name__
