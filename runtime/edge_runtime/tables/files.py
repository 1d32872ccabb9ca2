"""Which files a source is, and what they are: by their first bytes, and by their names."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import printable

Kind = Literal["csv", "json", "parquet", "feather", "stream"]

_PACKED = (".gz", ".zst", ".bz2", ".lz4", ".xz")
_JSON = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_ARROW = (".feather", ".arrow", ".ipc", ".arrows")
_TABLES = (".csv", ".tsv", ".tab", ".txt", *_JSON, *_PARQUET, *_ARROW)


def find_files(source: str | Path | Sequence[str | Path]) -> list[str]:
    """The files of a table: one, those that a pattern such as `logs/2026-*.csv` matches, or all tables in a folder.

    Of a folder, and of the folders in it, these are the files with endings of tables, in the order of their paths.
    What is hidden, or begins with an underscore such as `_SUCCESS`, is excluded.

    Raises:
        InvalidInput: there is none.
    """
    if not isinstance(source, str | Path):
        return [file for one in source for file in find_files(one)]
    path = Path(source)
    if os.path.isdir(source):  # noqa: PTH112 - of a name that is too long it says so without an error
        found = sorted(
            file for file in path.rglob("*") if _is_table(file.relative_to(path)) and (file.is_file() or file.is_fifo())
        )
        if not found:
            raise InvalidInput(
                f"{printable(path)} has no file that ends in {', '.join(_TABLES)}, nor one of these packed"
            )
        return list(map(str, found))
    # A name may hold brackets.
    if glob.has_magic(str(source)) and not os.path.lexists(source):
        matches = [
            match
            for match in sorted(glob.glob(str(source), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
            if not Path(match).is_dir()
        ]
        if not matches:
            raise InvalidInput(f"no file matches {printable(source)}")
        return matches
    return [str(source)]


def ending_of(name: str) -> str:
    """The ending of a file's name without that of its packing, in lower case; empty if there is none."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in _PACKED else path.suffix


def kind_of(name: str, start: bytes) -> Kind:
    """What a file is, packed or not.

    Args:
        name: its name.
        start: its first bytes, once it is unpacked.
    """
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"ARROW1"):
        return "feather"
    if start.startswith(b"\xff\xff\xff\xff"):
        return "stream"
    ending = ending_of(name)
    if ending in _PARQUET:
        return "parquet"
    if ending in _ARROW:
        return "feather"
    if ending in _JSON:
        return "json"
    # The cells of a header begin so in no table of ours.
    is_named = ending in _TABLES
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n\0")
    return "json" if not is_named and text.startswith((b"{", b"[")) else "csv"


def _is_table(path: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.parts) and ending_of(path.name) in _TABLES
