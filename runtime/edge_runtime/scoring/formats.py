"""The formats that answers are written in, by the name of their file."""

import gzip
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, TypeAlias

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import printable

Kind: TypeAlias = Literal["text", "csv", "json", "parquet", "feather"]

_KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
# Of gzip and zstd: their own defaults.
_GZIP_LEVEL, _ZSTD_LEVEL = 6, 3

ENDINGS = ", ".join(_KINDS)


@dataclass(frozen=True)
class Format:
    """How answers are written.

    Attributes:
        kind: text for people, CSV, JSON Lines, Parquet, or Arrow's file format (Feather).
        delimiter: the character between the columns of CSV.
        compression: gzip or zstd for text, lz4 for Feather, or none. Parquet is always compressed, with snappy.
    """

    kind: Kind
    delimiter: str = ","
    compression: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether answers are lines, which may be appended to others."""
        return self.kind in ("text", "csv", "json")

    def packed(self, lines: Any) -> Any:
        """Lines as they stand in the file: a member of gzip or a frame of zstd of their own if it is compressed.

        So the same lines give the same bytes, and a file that ends after one of them is whole.
        """
        if not self.compression or not len(lines):
            return lines
        if self.compression == "gzip":
            return gzip.compress(lines, _GZIP_LEVEL, mtime=0)
        import pyarrow as pa

        return pa.Codec("zstd", _ZSTD_LEVEL).compress(lines)


def check_rejects(name: str) -> None:
    """Refuse a name of the file of rejected rows that says another format than CSV.

    Raises:
        InvalidInput: it does.
    """
    if PurePath(name.lower()).suffix not in ("", ".csv", ".txt"):
        raise InvalidInput(f"{printable(name)}: the rejected rows are written as CSV, so its name must end in .csv")


def format_of(name: str) -> Format:
    """The format of a file of answers with this name.

    Raises:
        InvalidInput: the name does not tell.
    """
    path = PurePath(name.lower())
    compression = _COMPRESSIONS.get(path.suffix)
    ending = PurePath(path.stem).suffix if compression else path.suffix
    kind = _KINDS.get(ending)
    if kind is None:
        raise InvalidInput(f"{printable(name)}: its name must end in {ENDINGS} (and .gz or .zst if it is text)")
    if kind in ("parquet", "feather"):
        if compression:
            raise InvalidInput(f"{printable(name)}: {kind} is compressed inside; leave {path.suffix} out")
        compression = "lz4" if ending == ".feather" else None
    return Format(kind, "\t" if ending == ".tsv" else ",", compression)
