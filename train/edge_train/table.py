"""Tables as they stand in files: CSV, TSV, Parquet and JSON Lines, plain or compressed by gzip.

What the cells mean is found in `columns`; here they are read, by Arrow, a column at a time.
"""

import csv
import gzip
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from edge_runtime.rows import reading_text
from edge_train.errors import TableError

_DELIMITERS = {".tsv": "\t", ".tab": "\t"}
_JSON = {".jsonl", ".ndjson", ".json"}
_PARQUET = {".parquet", ".pq"}


def read_table(path: Path) -> pa.Table:
    """The table in `path`, of the format that its name ends in: CSV unless it is .tsv, .parquet, .jsonl or alike.

    Returns:
        An Arrow table of at least one row; the columns of a CSV or TSV file are texts, as they stand there, those of
        the others of the types they have there.

    Raises:
        TableError: it cannot be read; the header is missing, or names a column twice or not at all; a line has another
            number of cells than the header, is not UTF-8, or is no JSON. The message names the line where it can.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_gzip = suffixes[-1:] == [".gz"]
    suffix = next(iter(suffixes[-2:-1] if is_gzip else suffixes[-1:]), "")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise TableError(f"{path} is empty; a header line with the names of the columns is needed")
    if is_gzip != (start[:2] == b"\x1f\x8b"):
        raise TableError(f"{path} is {'no' if is_gzip else 'a'} gzip file; rename it")
    if start == b"PAR1" or suffix in _PARQUET:
        table = _read_parquet(path)
    elif suffix in _JSON:
        table = _read_json(path)
    else:
        table = _read_csv(path, is_gzip, _DELIMITERS.get(suffix, ","))
    table = table.rename_columns([name.strip() for name in table.column_names])
    _check_names(table.column_names, path)
    if not table.num_rows:
        raise TableError(f"{path} has a header but no rows")
    return table


def _check_names(names: Sequence[str], path: Path) -> None:
    for number, name in enumerate(names, start=1):
        if not name:
            raise TableError(f"{path}: column {number} has no name in the header")
        if len(name.splitlines()) > 1:
            raise TableError(f"{path}: the name of column {number} has more than one line")
        if names.count(name) > 1:
            raise TableError(f"{path}: the header names {name} more than once")


def _read_csv(path: Path, is_gzip: bool, delimiter: str) -> pa.Table:
    # Arrow would guess types: numbers of codes such as 007, times of texts.
    with reading_text(path, TableError), _text(path, is_gzip) as lines:
        names = next((cells for cells in _cells(lines, path, delimiter) if cells), None)
    if names is None:
        raise TableError(f"{path} is empty; a header line with the names of the columns is needed")
    # Before Arrow reads, which would merge columns of one name.
    _check_names([name.strip() for name in names], path)
    try:
        return pa.csv.read_csv(
            path,
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, OSError) as error:
        _find_fault(path, is_gzip, delimiter, len(names))
        raise TableError(f"{path} cannot be read: {_first_line(error)}") from error


def _find_fault(path: Path, is_gzip: bool, delimiter: str, width: int) -> None:
    """Raise TableError with the line at which a CSV file is not as it should be, if there is one.

    Arrow tells it by the number of the record, if at all: this reads all of the file again, to tell it well.
    """
    with reading_text(path, TableError), _text(path, is_gzip) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if cells and len(cells) != width:
                    raise TableError(
                        f"{path} line {reader.line_num}: {len(cells)} values, but the header has {width} columns"
                    )
        except csv.Error as error:
            raise TableError(f"{path} line {reader.line_num}: not CSV: {error}") from error


def _cells(lines: IO[str], path: Path, delimiter: str) -> Iterator[list[str]]:
    # The header alone: no quote that is never closed may take in the whole file.
    reader = csv.reader(itertools.islice(lines, 1000), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise TableError(f"{path} line {reader.line_num}: not CSV: {error}") from error


def _text(path: Path, is_gzip: bool) -> IO[str]:
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_json(path: Path) -> pa.Table:
    try:
        # Blocks as large as Arrow allows: a line must fit into one, and its types hold for all of it.
        return pa.json.read_json(path, read_options=pa.json.ReadOptions(block_size=64 << 20))
    except (pa.ArrowException, OSError) as error:
        raise TableError(
            f"{path} is not JSON Lines, an object by column name on each line: {_first_line(error)}"
        ) from error


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is no Parquet file that can be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")
