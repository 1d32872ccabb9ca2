"""Reading a table to train on: all of it, columns that are surely numbers as numbers."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.terminal import printable
from edge_runtime.tables.table import Table, open_table
from edge_train.errors import TableError
from edge_train.table.gathered_column import GatheredColumn


def read_table(
    source: str | Path,
    limits: Limits = DEFAULTS,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    text: Collection[str] = (),
) -> pa.Table:
    """The table in a file, in the files that a pattern such as `logs/*.csv` matches, or in those of a folder.

    It reads CSV and TSV with any separator, JSON Lines, arrays of JSON objects, Parquet, Feather and Arrow streams,
    each also packed.

    Args:
        source: where it is.
        limits: how much may be read.
        encoding: of text; None to find it, or UTF-8.
        delimiter: the character between the cells of CSV; None to find it.
        decimal: the decimal mark of CSV, "." or ","; None to find it.
        text: columns whose spelling counts, such as categories; names that no column has are ignored.

    Returns:
        An Arrow table of at least one row. The columns of CSV are strings, without white space around them; but
        columns of more than a thousand different numbers with a decimal point, or integers as Python writes them, are
        float64 and int64. In large files, strings may come as dictionaries. Columns of the other formats are of the
        types in the file. The schema's metadata have the decimal mark of text, under `decimal`.

    Raises:
        TableError: a file cannot be read; a header is missing, has a column without a name or two of one name; or a
            line has another number of cells than the header, is not UTF-8, or is not JSON; or something is beyond
            the limits. The message names the line if that is known.
    """
    try:
        table = open_table(
            source, encoding=encoding, delimiter=delimiter, decimal=decimal, limits=limits, are_kept=True
        )
        if table.is_live:
            table.close()
            raise TableError(f"{printable(source)} is a pipe, and a table is read more than once; save it in a file")
        table.check_headers()
        return _gathered(table, text)
    except InvalidInput as error:
        raise TableError(str(error)) from error


def _gathered(table: Table, text: Collection[str]) -> pa.Table:
    decimal = table.dialect.decimal if table.dialect is not None else "."
    # Numbers with a decimal comma stay text: what they are is found in all of them.
    as_text = decimal != "." or table.dialect is None or table.dialect.delimiter is None
    columns = {name: GatheredColumn(name, as_text or name in text) for name in table.names}
    count = 0
    for batch in _batches(table, columns):
        found = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in found:
            if name not in columns:
                columns[name] = GatheredColumn(name, as_text or name in text)
                columns[name].add(pa.nulls(count))
        for name, column in columns.items():
            column.add(found[name] if name in found else pa.nulls(batch.num_rows))
        count += batch.num_rows
    if not count:
        raise TableError(f"{printable(table.files[0])} has a header but no rows")
    if again := {name: GatheredColumn(name, as_text=True) for name, column in columns.items() if column.has_changed}:
        for batch in _batches(table, again):
            for name, column in again.items():
                column.add(batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows))
        columns |= again
    found = pa.table({name: column.cells() for name, column in columns.items()})
    pa.default_memory_pool().release_unused()
    return found.replace_schema_metadata(None if table.dialect is None else {"decimal": decimal})


def _batches(table: Table, columns: Mapping[str, GatheredColumn]) -> Iterator[pa.RecordBatch]:
    """The rows, with these columns; and all others, if rows may have other columns than the first ones.

    Raises, as they are read:
        TableError: a record is not a row.
    """
    for block in table.blocks(columns=None if table.may_vary else list(columns)):
        parsed = block.parse(None if table.may_vary else {name: column.wanted for name, column in columns.items()})
        for fault in parsed.faults:
            line = "" if fault.line is None else f" line {fault.line}"
            raise TableError(f"{printable(fault.name)}{line}: {fault.reason}")
        yield parsed.batch
