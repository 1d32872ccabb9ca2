"""Reading tables from files: CSV, TSV, Parquet and JSON Lines, plain or compressed by gzip.

Arrow reads the cells; `columns` finds what they mean.
"""

import gzip
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from edge_runtime.contract.csv_cells import csv_cells
from edge_runtime.contract.json_depth import is_too_deep, too_deep
from edge_runtime.contract.limits import DEFAULTS, Limits, how_to_raise
from edge_runtime.contract.opened_files import open_file, too_much
from edge_runtime.contract.terminal import counted, shortened, unreadable
from edge_runtime.contract.text_files import delimiter_of
from edge_runtime.contract.values import is_number
from edge_train.errors import TableError
from edge_train.table.parquet_files import read_parquet
from edge_train.table.sources import Source

_JSON = {".jsonl", ".ndjson", ".json"}
_PARQUET = {".parquet", ".pq"}
# How many bytes of CSV Arrow reads at a time, at least, and for each column: a column of a block takes hundreds of
# bytes, however few rows it has.
_CSV_BLOCK, _CSV_BLOCK_OF_COLUMN = 1 << 20, 128


def read_table(path: str | Path, limits: Limits = DEFAULTS) -> pa.Table:
    """The table in the file at `path`; the end of the name gives the format, CSV unless it is .tsv, .parquet or .jsonl.

    Returns:
        An Arrow table of at least one row. The columns of a CSV or TSV file are strings, exactly as in the file; those
        of the other formats are of the types in the file.

    Raises:
        TableError: the file cannot be read; the header is missing, has a column without a name or two of one name; or
            a line has another number of cells than the header, is not UTF-8, or is not JSON; or something is beyond
            `limits`. The message names the line if that is known.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_gzip = suffixes[-1:] == [".gz"]
    suffix = next(iter(suffixes[-2:-1] if is_gzip else suffixes[-1:]), "")
    try:
        with open_file(path, limits) as file:
            if not file.seekable():
                raise TableError(f"{path} is a pipe, and a table is read more than once; save it in a file")
            start = file.read(4)
    except OSError as error:
        raise TableError(unreadable(path, error)) from error
    if not start:
        raise TableError(f"{path} is empty")
    if is_gzip != (start[:2] == b"\x1f\x8b"):
        found, name = ("not a", "without") if is_gzip else ("a", "in")
        raise TableError(f"{path} is {found} gzip file; its name should end {name} .gz")
    source = Source(path, is_gzip, limits)
    try:
        if start == b"PAR1" or suffix in _PARQUET:
            table = _read_parquet(source)
        elif suffix in _JSON:
            table = _read_json(source)
        else:
            table = _read_csv(source, delimiter_of(str(path)) or ",")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"{path} is a damaged gzip file: {_first_line(error)}") from error
    except OSError as error:  # from the disk, or from Arrow if compressed data are damaged
        damaged = f"{path} is damaged: {_first_line(error)}"
        raise TableError(damaged if error.strerror is None else unreadable(path, error)) from error
    table = table.rename_columns([name.strip() for name in table.column_names])
    _check_names(table.column_names, source)
    if not table.num_rows:
        raise TableError(f"{path} has a header but no rows")
    return table


def _check_names(names: Sequence[str], source: Source) -> None:
    path, most = source.path, source.limits.columns
    if most is not None and len(names) > most:
        raise TableError(f"{path} has {counted(len(names), 'column')}, more than {most:,}{how_to_raise('columns')}")
    if not names:
        raise TableError(f"{path} has no columns")
    seen = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise TableError(
                f"{path}: column {number} has no name in the header; give it one (pandas writes such a column unless "
                "index=False)"
            )
        if len(name.splitlines()) > 1:
            raise TableError(f"{path}: the name of column {number} has more than one line")
        if "\0" in name:
            raise TableError(f"{path}: the name of column {number} has a null in it; save the table as UTF-8 text")
        if name in seen:
            raise TableError(f"{path}: two columns have the name {shortened(repr(name))}; rename one of them")
        seen.add(name)


def _read_csv(source: Source, delimiter: str) -> pa.Table:
    path = source.path
    # Only the first lines, so that a quote that is never closed does not take in the whole file.
    cells = csv_cells(itertools.islice(_lines(source), 1000), delimiter, str(path), TableError, source.limits)
    names = next((found for _, found in cells if found), None)
    if names is None:
        raise TableError(f"{path} is empty; a header line with the names of the columns is needed")
    trimmed = [name.strip() for name in names]
    # pandas writes 0,1,2,... if columns have no names.
    if all(map(is_number, trimmed)) and trimmed != list(map(str, range(len(names)))):
        raise TableError(f"{path}: the first line has numbers, not names; add a line above it with the columns' names")
    if len(names) == 1 and any(mark in names[0] for mark in ",;|\t"):
        fix = "commas, or name a file with tabs .tsv" if delimiter == "," else "tabs, or name a file with commas .csv"
        raise TableError(
            f"{path}: the header has only one column, {shortened(repr(trimmed[0]))}; separate columns by {fix}"
        )
    # Before Arrow reads it: Arrow would merge columns of the same name.
    _check_names(trimmed, source)
    block = max(_CSV_BLOCK, _CSV_BLOCK_OF_COLUMN * len(names))
    try:
        reader = pa.csv.open_csv(
            source.stream(),
            read_options=pa.csv.ReadOptions(block_size=block),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            # As strings: Arrow would guess types, take codes such as 007 for numbers, and some strings for times.
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        table = pa.Table.from_batches(_batches(reader, source, block), reader.schema)
    except pa.ArrowException as error:
        _find_fault(source, delimiter, len(names))
        if "straddling" in str(error):
            raise TableError(
                f"{path} has a line of more than {block:,} bytes, or a quote that is never closed"
            ) from error
        raise TableError(f"{path} cannot be read: {_first_line(error)}") from error
    # Arrow closes an open quote at the end of the file, however many lines are in the cell.
    if table.num_rows and "\n" in table.column(table.num_columns - 1)[-1].as_py():
        _find_fault(source, delimiter, len(names))
    return table


def _batches(reader: pa.csv.CSVStreamingReader, source: Source, block: int) -> Iterator[pa.RecordBatch]:
    """The rows of a CSV file. Raises TableError if it is compressed, and unpacks to more than the limits allow."""
    most = source.most if source.is_gzip else None
    # Arrow makes a batch of each block, also of one with nothing but empty lines.
    for count, batch in enumerate(reader):
        if most is not None and count * block > most:
            raise TableError(too_much(source.path, most))
        if batch.num_rows:
            yield batch


def _find_fault(source: Source, delimiter: str, width: int) -> None:
    """Raise TableError with the line at which a CSV file is wrong, if there is one.

    Arrow gives the number of the record at most; this reads the whole file again to find the line.
    """
    for line, cells in csv_cells(_lines(source), delimiter, str(source.path), TableError, source.limits):
        if cells and len(cells) != width:
            raise TableError(f"{source.path} line {line}: {len(cells)} values, but the header has {width} columns")


def _lines(source: Source) -> Iterator[str]:
    with source.lines() as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.encode()
            except UnicodeEncodeError:
                raise TableError(f"{source.path} line {number} is not UTF-8 text; save the table as UTF-8") from None
            yield line


def _read_json(source: Source) -> pa.Table:
    try:
        # Large blocks: a line must fit into one, and Arrow takes all types from the first.
        table = pa.json.read_json(source.json_stream(), read_options=pa.json.ReadOptions(block_size=source.json_block))
        table.validate(full=True)  # finds strings that are not UTF-8
    except (pa.ArrowException, UnicodeDecodeError) as error:  # UnicodeDecodeError for the names of columns
        _find_json_fault(source)
        # Arrow counts rows from 0 in each block, which says nothing.
        reason = _first_line(error).partition(" in row ")[0]
        raise TableError(
            f"{source.path} is not JSON Lines, with an object by column name on each line: {reason}"
        ) from error
    return table


def _find_json_fault(source: Source) -> None:
    """Raise TableError with the line at which a file is not JSON Lines, or has a value of another type, if any."""
    path = source.path
    types: dict[str, str] = {}
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    for number, line in enumerate(_lines(source), start=1):
        if not line.strip():
            continue
        if is_too_deep(line, source.limits):
            raise TableError(f"{path} line {number}: {too_deep(source.limits)}")
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path} line {number}: not JSON: {error}; an object on each line is needed") from error
        if not isinstance(values, dict):
            raise TableError(f"{path} line {number} is not an object with the values by column name")
        for name, value in values.items():
            found = names.get(type(value))
            if found is not None and types.setdefault(name, found) != found:
                raise TableError(
                    f"{path} line {number}: {shortened(name)} is {found}, but {types[name]} in earlier lines"
                )


def _read_parquet(source: Source) -> pa.Table:
    try:
        table = read_parquet(source)
        table.validate(full=True)
    except UnicodeDecodeError as error:
        raise TableError(f"{source.path}: the name of a column is not UTF-8 text") from error
    except pa.ArrowException as error:
        raise TableError(f"{source.path} is not a Parquet file, or a damaged one: {_first_line(error)}") from error
    return table


def _first_line(error: Exception) -> str:
    return shortened(str(error).strip().split("\n", 1)[0].rstrip("."))
