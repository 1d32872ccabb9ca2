"""`OpenedFiles`: what ONNX Runtime opens, and its digests: of one content, however often it is opened and read."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_runtime.contract.data_file import DataFile, sha256_of
from edge_runtime.contract.lazy import cached_property
from edge_runtime.engine.file_stamps import Stamp, StampedFiles, changed_since, stamp


class OpenedFiles:
    """A model's content, or its file, and the files with weights that it refers to.

    Attributes:
        content: what ONNX Runtime opens, if that is not the file.
        path: the absolute path of the file; empty for a content.
        data: the data file of the model, see `contract.data_file`; None if it has none.
    """

    def __init__(
        self,
        content: bytes | None,
        path: str,
        known: Stamp,
        described: DataFile | None,
        data: Path | None,
        others: Mapping[str, Path],
    ) -> None:
        """What was found.

        Args:
            content: the content of the model, if it is held.
            path: the absolute path of its file, if it has one.
            known: the stamp that the file had when it was looked at.
            described: what the model says of its data file.
            data: where that is.
            others: the files that the model refers to, by the names that it has for them.
        """
        self.content, self.path, self.data = content, path, data
        self._stamp, self._described, self._others = known, described, others
        stamps = {path: known} if content is None else {}
        # ONNX Runtime looks beside a link first, where there may be no data file yet.
        for file in (*others.values(), *([data] if data is not None else [])):
            stamps[str(file)] = stamp(file)
        self._read_later = StampedFiles(tuple(stamps.items()))

    @property
    def loadable(self) -> str | bytes:
        """What ONNX Runtime opens: the content, or the absolute path of a file that is not held."""
        return self.path if self.content is None else self.content

    def whole_content(self) -> bytes:
        """The content of the model. Raises: as `sha256`."""
        return self._read_later.read(Path.read_bytes, Path(self.path)) if self.content is None else self.content

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files with weights of the model."""
        return (*self._others.values(), *([] if self.data is None else [self.data]))

    @property
    def files(self) -> tuple[Path, ...]:
        """The model's file, if it has one, and its files with weights."""
        return (*([Path(self.path)] if self.path else []), *self.weight_files)

    @property
    def refers_to_files(self) -> bool:
        """Whether the model has weights in other files."""
        return bool(self._others)

    @property
    def _uncovered(self) -> dict[str, Path]:
        described = None if self._described is None else self._described.name
        return {name: file for name, file in self._others.items() if name != described}

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
            if files.read(sha256_of, Path(self.path)) != self.sha256:
                raise changed_since(self.path)
        if model is None and not by_path:
            with files.opening(self.path) as place:
                yield place
            return
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
        return self._read_later.read(sha256_of, self._readable)

    @cached_property
    def uncovered_sha256(self) -> dict[str, str]:
        """The SHA-256 of the files with weights of which the model itself has no digest. Raises: as `sha256`."""
        return {name: self._read_later.read(sha256_of, file) for name, file in self._uncovered.items()}

    @cached_property
    def data_sha256(self) -> dict[str, str]:
        """The SHA-256 of each file with weights that is opened besides, by its name. Raises: as `sha256`."""
        covered, described = self.data, self._described
        if covered is None or described is None:
            return self.uncovered_sha256
        return {described.name: self._read_later.read(sha256_of, covered), **self.uncovered_sha256}

    def content_sha256(self) -> str | None:
        """`contract.certificate.content_sha256` of the model that is opened, and its data file.

        Raises:
            ContentMismatch, InvalidModel: as `sha256`.
        """
        # Most programs only predict.
        from edge_runtime.contract.certificate import content_sha256

        return self._read_later.read(content_sha256, self._readable, self.data)

    def has_own_data(self) -> bool:
        """Whether the data file, if there is one, has the weights that the model says it has. Raises: as `sha256`."""
        data, described = self.data, self._described
        return data is None or described is None or self._read_later.read(described.has_content, data)

    @property
    def _readable(self) -> Path | bytes:
        return Path(self.path) if self.content is None else self.content
