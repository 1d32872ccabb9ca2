"""`ModelSource`: where a model comes from, a file or a content, and whether it is still the same."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.contract.data_file import ENTRY_SIZE, DataFile, check_regular, data_file_in
from edge_runtime.contract.errors import ContentMismatch, InvalidModel, OutOfResources
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.terminal import printable, unreadable
from edge_runtime.contract.workload import has_small_rows
from edge_runtime.engine import model_files
from edge_runtime.engine.external_files import References, references_in
from edge_runtime.engine.file_stamps import NO_STAMP, Stamp, StampedFiles, changed_since, stamp
from edge_runtime.engine.model_outline import Outline, outline_of
from edge_runtime.engine.opened_files import OpenedFiles
from edge_runtime.engine.ort_errors import lacks_resources, not_beside
from edge_runtime.engine.protobuf import Bytes, FileBytes

if TYPE_CHECKING:
    from edge_runtime.signing.trust import Trust

_WORKLOAD = WORKLOAD_KEY.encode()


class ModelSource(OpenedFiles):
    """A model's content, or its file as it was when this was made.

    A content is what was given as such or read from a pipe, and that of a small file: whatever is asked of it later is
    answered by the bytes that were read. A large file, and one with weights in other files, is opened by its path; that
    it is still the same is known by its stamp.

    Attributes:
        data_folder: for a content, the absolute path of the folder with the files that it refers to, if that was given.
        has_small_rows: whether no call of it needs much memory at a time, see `contract.workload`.
        says_workload: whether it says how much work a row takes, in its last bytes.
        outline: where the parts of its ONNX file are; None if it is in ORT format.
    """

    def __init__(
        self,
        model: Any,
        data_folder: Any = None,
        sha256: Any = None,
        trust: "Trust | None" = None,
        limits: Limits = DEFAULTS,
    ) -> None:
        """What opens the model `model`, see `Predictor`. It keeps all of `limits` but the number of nodes.

        Raises:
            ModelNotFound: the file, or its data file, does not exist.
            InvalidModel: it is not what can hold a model, is empty, or cannot be read; its data file is cut, belongs to
                another model, or is in an unknown folder; a file with weights is not a regular one.
            InvalidInput: `data_folder` is not a folder, or is given for a file; `sha256` is not 64 hex digits.
            ContentMismatch: the model, or its data file, has another digest than `sha256` asks for.
            NotTrusted: the model is not as a key of `trust` has signed it.
        """
        self._trust, self._limits = trust, limits
        self._required = None if sha256 is None else model_files.digest_of(sha256)
        self._given, path, known = "", "", NO_STAMP
        content = model_files.content_in(model, limits)
        if content is None:
            self._given = model_files.place_of(model, "a model", InvalidModel)
            content, end, known = model_files.examined(self._given, limits)
            path = "" if known == NO_STAMP else model_files.absolute(self._given)
        else:
            end = content
        self.data_folder = None if data_folder is None else model_files.folder_for(data_folder, path)
        place = end.rfind(_WORKLOAD, -ENTRY_SIZE)
        self.says_workload = place >= 0
        self.has_small_rows = self.says_workload and has_small_rows(end[place:])
        described = data_file_in(end)
        data = None if described is None else _data_path(described, path, self.data_folder)
        self.outline, found = _looked_at(content, path, known, self.name, limits)
        found.check(self.name, None if described is None else described.name)
        folder = os.path.dirname(path) if path else self.data_folder  # noqa: PTH120 - objects of paths take longer
        if found.locations and folder is None:
            raise not_beside(self.name)
        others = {location: Path(folder or "", location) for location in found.locations}
        for file in others.values():
            check_regular(file)
        # A file is opened by its path if ONNX Runtime must find others beside it.
        super().__init__(None if path and others else content, path, known, described, data, others)
        if self.content is None:
            # From here on every change shows. What was read before may have been another content.
            self._read_later.read(self._compare, Path(path), content, end)
        if self._required is not None:
            _check_digest(self, self._required, "the model that was asked for")
            for uncovered in self._uncovered:
                raise ContentMismatch(
                    f"sha256 does not cover {printable(uncovered)}: {self.name} has weights in it, but no digest of "
                    "them, as edge-export writes it"
                )
        if trust is not None:
            self._check_signature(trust)

    def _check_signature(self, trust: "Trust") -> None:
        """Raise NotTrusted unless all that is opened was signed, and InvalidModel if it cannot be read."""
        try:
            signed = trust.signed(Path(self._given) if self.path else None, lambda: self.sha256)
        except OSError as error:
            kind = OutOfResources if lacks_resources(error) else InvalidModel
            raise kind(unreadable(Path(str(error.filename or self.name)), error)) from error
        signed.check(self.data_sha256)

    def _compare(self, place: Path, content: bytes | None, end: bytes) -> None:
        """Raise ContentMismatch unless the file is what was looked at."""
        if model_files.examined(str(place), DEFAULTS) != (content, end, self._stamp):
            raise changed_since(self.path)

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return printable(self._given) if self._given else "the model"

    @property
    def files(self) -> tuple[Path, ...]:
        """The model's file, if it has one, its files with weights, and the one with its signature."""
        signed = [] if self._trust is None or not self.path else self._trust.files(Path(self.path))
        return (*super().files, *signed)

    @cached_property
    def model(self) -> Path | bytes:
        """The file, or the content if it has none."""
        if self.path:
            return Path(self.path)
        assert self.content is not None
        return self.content

    def __repr__(self) -> str:
        return repr(Path(self.path).name) if self.path else f"<{len(self.content or b''):,} bytes>"

    def __deepcopy__(self, memo: object) -> "ModelSource":
        # It does not change.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        digests = (self._required, self.sha256, self.uncovered_sha256)
        return _pickled, (self.model, self.data_folder, *digests, self._given, self._trust, self._limits)

    def held(self) -> "ModelSource":
        """The same, by the content that was read and checked here, if it is held, for whoever opens it elsewhere."""
        if self.content is None or not self.path or self.data is not None:
            return self
        same = object.__new__(type(self))
        vars(same).update(vars(self), path="", model=self.content, _required=None, _trust=None)
        return same

    def is_unchanged(self) -> bool:
        """Whether the file is still the one that was opened, so that opening its path anew would give the same."""
        return not self.path or stamp(self.path) == self._stamp

    def stamps_now(self) -> tuple[Stamp, ...]:
        """What tells whether `again` would find something else: of the model's file, and of its signature's."""
        path = Path(self.path)
        files = [path, *([] if self._trust is None else self._trust.files(path))]
        return tuple(map(stamp, files)) if self.path else ()

    def again(self) -> "ModelSource":
        """The same place, as it is now. Raises: as the constructor."""
        path = self.model
        if isinstance(path, Path) and path.exists() and not (path.is_file() or path.is_dir()):
            # To read it could take for ever.
            raise InvalidModel(f"{printable(path)} is a pipe or a device now, not a model file")
        return ModelSource(path, self.data_folder, self._required, self._trust, self._limits)


def _pickled(
    model: Path | bytes,
    data_folder: Path | None,
    required: str | None,
    sha256: str,
    others: dict[str, str],
    given: str,
    trust: "Trust | None",
    limits: Limits,
) -> ModelSource:
    source, expected = ModelSource(model, data_folder, required, trust, limits), "the model that was pickled"
    # Messages name it as it was named.
    source._given = given
    _check_digest(source, sha256, expected)
    for changed in (name for name, digest in source.uncovered_sha256.items() if others.get(name) != digest):
        raise ContentMismatch(f"{printable(changed)} is not what belongs to {expected}: its weights were changed")
    return source


def _looked_at(
    content: bytes | None, path: str, known: Stamp, name: str, limits: Limits
) -> tuple[Outline | None, References]:
    """The outline of a model, and what it refers to.

    ONNX Runtime knows its own format, which has no outline and refers to nothing, by the name of a file.
    """
    if content[4:8] == b"ORTM" if content is not None else path.casefold().endswith(".ort"):
        return None, References()

    def look(data: Bytes) -> tuple[Outline, References]:
        outline = outline_of(data, limits, name)
        return outline, references_in(data, outline, name)

    def read(place: Path) -> tuple[Outline, References]:
        with FileBytes(str(place)) as data:
            return look(data)

    return StampedFiles([(path, known)]).read(read, Path(path)) if content is None else look(content)


def _check_digest(source: ModelSource, sha256: str, expected: str) -> None:
    """Raise ContentMismatch unless `source` is the model with the digest `sha256`, its data file included."""
    if source.sha256 != sha256:
        raise ContentMismatch(f"{source.name} is not {expected}: its SHA-256 is {source.sha256}, not {sha256}")
    if not source.has_own_data():
        raise ContentMismatch(f"{printable(source.data)} is not what belongs to {expected}: its weights were changed")


def _data_path(described: DataFile, path: str, data_folder: Path | None) -> Path:
    """Where the data file is of a model in a file, or of a content, which has no `path`."""
    if path:
        return described.beside(Path(path))
    if data_folder is None:
        raise InvalidModel(
            f"the model has its weights in {described.name}; open it by the path of the .onnx file, or pass the folder "
            f"of {described.name} as data_folder"
        )
    return described.beside(data_folder / described.name.removesuffix(".data"))
