"""`OpenedFiles`: what ONNX Runtime opens, and its digests: of one content, however often it is opened and read."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_runtime.contract.data_file import DataFile, sha256_of
from edge_runtime.contract.lazy import cached_property
from edge_runtime.engine.file_stamps import Stamp, StampedFiles, stamp


class OpenedFiles:
    """A model's content, or its file, and its data file.

    Attributes:
        content: what ONNX Runtime opens, if that is not the file.
        path: the absolute path of the file; empty for a content.
        data: the data file of the model, see `contract.data_file`; None if it has none.
    """

    def __init__(
        self, content: bytes | None, path: str, known: Stamp, described: DataFile | None, data: Path | None
    ) -> None:
        """What was found.

        Args:
            content: the content of the model, if it is held.
            path: the absolute path of its file, if it has one.
            known: the stamp that the file had when it was looked at.
            described: what the model says of its data file.
            data: where that is.
        """
        self.content, self.path, self.data = content, path, data
        self._stamp, self._described = known, described
        stamps = [(path, known)] if content is None else []
        if data is not None:
            stamps.append((str(data), stamp(data)))
        self._stamps, self._read_later = stamps, StampedFiles(stamps)
        self._others: Mapping[str, Path] = {}

    def include(self, others: Mapping[str, Path]) -> None:
        """Count in other files with weights, by their paths below the folder of the model."""
        self._others = others
        self._read_later = StampedFiles([*self._stamps, *((str(path), stamp(path)) for path in others.values())])

    @property
    def loadable(self) -> str | bytes:
        """What ONNX Runtime opens: the content, or the absolute path of a file that is not held."""
        return self.path if self.content is None else self.content

    def opens_the_same(self) -> bool:
        """Whether ONNX Runtime still opens the same: always what is held; and files that have not changed."""
        return self._read_later.are_unchanged()

    @contextlib.contextmanager
    def opening(self, by_path: bool = False) -> Iterator[str | bytes]:
        """What ONNX Runtime opens, the path or the content: the same each time.

        Args:
            by_path: whether to open a file by its path, also if its content is held.

        Raises:
            ContentMismatch: a file was changed since this was made, or while it was opened.
        """
        files, model = self._read_later, self.content
        # By its path, ONNX Runtime knows the format by the name.
        if by_path and model is not None and self.path and self.path.casefold().endswith(".ort") == self.is_ort_format:
            files, model = StampedFiles([(self.path, self._stamp)]), None
        files.check()
        yield self.path if model is None else model
        files.check()

    @property
    def size(self) -> int:
        """The size of the model, in bytes, with that of its data file."""
        own = self._stamp[2] if self.content is None else len(self.content)
        return own + (0 if self._described is None else self._described.size)

    @property
    def is_ort_format(self) -> bool:
        """Whether it is in ORT format, by the file identifier of its FlatBuffers schema: ORTM."""
        if self.content is not None:
            return self.content[4:8] == b"ORTM"
        with Path(self.path).open("rb") as file:
            return file.read(8)[4:] == b"ORTM"

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the model that is opened, without its data file: 64 hex digits, as `sha256sum` prints it.

        Raises:
            ContentMismatch: the file, which is not held, was changed.
            InvalidModel: it cannot be read.
        """
        return self._read_later.read(lambda: sha256_of(self._readable))

    @cached_property
    def data_sha256(self) -> dict[str, str]:
        """The SHA-256 of each file with weights that is opened besides, by its path below the folder of the model.

        Raises:
            ContentMismatch, InvalidModel: as `sha256`.
        """
        files = dict(self._others)
        if self.data is not None and self._described is not None:
            files[self._described.name] = self.data
        return self._read_later.read(lambda: {name: sha256_of(path) for name, path in files.items()})

    def content_sha256(self) -> str | None:
        """`contract.certificate.content_sha256` of the model that is opened, and its data file.

        Raises:
            ContentMismatch, InvalidModel: as `sha256`.
        """
        # Most programs only predict.
        from edge_runtime.contract.certificate import content_sha256

        return self._read_later.read(lambda: content_sha256(self._readable, self.data))

    def has_own_data(self) -> bool:
        """Whether the data file, if there is one, has the weights that the model says it has. Raises: as `sha256`."""
        data, described = self.data, self._described
        return data is None or described is None or self._read_later.read(lambda: described.has_content(data))

    @property
    def _readable(self) -> Path | bytes:
        return Path(self.path) if self.content is None else self.content
