"""The data file of a large model: its weights, beside the .onnx file that refers to it by name.

The data file ends with the SHA-256 of all bytes before, and the .onnx file's metadata repeats it: a data file that
belongs to another .onnx file is found without reading it all. Schema version 1:

    {"schema_version": 1, "name": "model.onnx.data", "size": 2204000032, "sha256": "<64 hex digits>"}

In an artifact it is the last entry of the metadata, so that it is found before the model is opened.
"""

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.contract import schema
from edge_runtime.contract.errors import InvalidModel, ModelNotFound
from edge_runtime.contract.metadata_keys import DATA_KEY
from edge_runtime.contract.terminal import printable, unreadable

SCHEMA_VERSION = 1

_BLOCK = 1024 * 1024
_DIGEST = 32
# The entry is the last field of the file, within so many bytes: its key, the value's tag and length, the value.
ENTRY_SIZE = 4096
_KEY = DATA_KEY.encode()
_ENTRY = re.compile(re.escape(_KEY) + rb"\x12[\x00-\xff]{1,3}?(\{[^{}]*\})\Z")


@dataclass(frozen=True)
class DataFile:
    """What an .onnx file says of its data file.

    Attributes:
        name: its file name; it lies in the folder of the .onnx file.
        size: its size in bytes, with the digest at its end.
        sha256: the SHA-256 of all its bytes before that digest.
    """

    name: str
    size: int
    sha256: str

    def to_json(self) -> str:
        """The JSON that an artifact carries under `DATA_KEY`."""
        return json.dumps({**vars(self), "schema_version": SCHEMA_VERSION}, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DataFile":
        """What `text` says, as `to_json` wrote it.

        Raises:
            InvalidModel: it is damaged, or its schema is newer than this version reads.
        """
        with schema.reading("the entry of its data file"):
            plain = schema.checked(schema.parsed(text), SCHEMA_VERSION, "the entry of its data file")
            name, sha256, size = schema.text(plain["name"]), schema.text(plain["sha256"]), plain["size"]
            if name in ("", ".", "..") or "\0" in name or re.search(r"[/\\]", name):
                raise ValueError(f"{name!r} is not a file name")
            if type(size) is not int or size < _DIGEST:
                raise ValueError(f"its size is {size!r}")
            return cls(name, size, sha256)

    def beside(self, model: Path) -> Path:
        """The path of the data file of the .onnx file `model`, after a check that it is that one.

        Its size and its digest are compared, but its bytes are not read: that is for `content_sha256`.

        Raises:
            ModelNotFound: it is not there; the message says so if `model` was renamed.
            InvalidModel: it is cut, belongs to another model, or is not a regular file.
        """
        path = model.with_name(self.name)
        try:
            if not path.exists() and model.is_symlink():
                # A link to the .onnx file alone.
                path = model.resolve().with_name(self.name)
            check_regular(path)
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _DIGEST))
                digest = file.read().hex()
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                raise InvalidModel(unreadable(path, error)) from error
            original = self.name.removesuffix(".data")
            renamed = f"{model.name} may have been renamed, call it {original} again" if model.name != original else ""
            raise ModelNotFound(
                f"{model} has its weights in {self.name}, and {model.parent} has no such file; "
                f"{renamed or 'copy it there, under that name'}"
            ) from error
        if size < self.size:
            raise InvalidModel(f"{path} is cut: it has {size:,} of {self.size:,} bytes; copy it again")
        if (size, digest) != (self.size, self.sha256):
            raise InvalidModel(
                f"{path} belongs to another export than {model.name}; copy both files again, or export the model again"
            )
        return path

    def has_content(self, path: Path) -> bool:
        """Whether the file `path` has these bytes.

        Raises:
            OSError: it cannot be read.
        """
        return sha256_of(path, self.size - _DIGEST) == self.sha256


def check_regular(path: Path) -> None:
    """Raise InvalidModel if what is at `path` is not a regular file: to read a pipe or a device may take for ever."""
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        # Whoever reads it says why that is not possible.
        return
    if not is_regular:
        raise InvalidModel(f"{printable(path)} is not a regular file, as one with weights is")


def data_file_in(content: bytes) -> DataFile | None:
    """What an .onnx file says of its data file; None if it has none.

    Args:
        content: the file's content; its last `ENTRY_SIZE` bytes are enough.

    Raises:
        InvalidModel: what it says is damaged, or newer than this version reads.
    """
    end = content[-ENTRY_SIZE:]
    found = _ENTRY.search(end) if _KEY in end else None
    return None if found is None else DataFile.from_json(found[1].decode(errors="replace"))


def finished(path: Path) -> DataFile:
    """Write the digest at the end of a data file whose weights are written, and describe it.

    Raises:
        OSError: it cannot be read or written.
    """
    sha256 = sha256_of(path)
    with path.open("ab") as file:
        file.write(bytes.fromhex(sha256))
        return DataFile(path.name, file.tell(), sha256)


def sha256_of(source: Path | bytes, size: int | None = None) -> str:
    """The SHA-256 of a file or a content, or of its first `size` bytes: 64 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    # Its import takes 3 ms, and most programs only open models.
    import hashlib

    digest = hashlib.sha256()
    for block in blocks(source):
        part = block if size is None else block[:size]
        digest.update(part)
        if size is not None:
            size -= len(part)
    return digest.hexdigest()


def blocks(source: Path | bytes) -> Iterator[bytes]:
    """The bytes of a file, or of its content, block by block: a large file does not fit into memory twice."""
    if isinstance(source, bytes):
        for start in range(0, len(source), _BLOCK):
            yield source[start : start + _BLOCK]
        return
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
