"""What is scored: a table in files or in a pipe, or a stream of record batches."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.terminal import printable
from edge_runtime.rows.arrays import reading
from edge_runtime.rows.csv_rows import first_row, names_every_feature
from edge_runtime.scoring.options import Options
from edge_runtime.tables.blocks import Block, Parsed, Place, row_text
from edge_runtime.tables.table import Table, open_table

# A path, `-` for stdin, several paths, or what gives record batches by Arrow's C data interface.
Source: TypeAlias = Any

# So many rows of a stream are answered at a time.
_ROWS = 32 * 1024


class Opened(Protocol):
    """A source that has been opened.

    Attributes:
        name: what messages call it.
        names: its columns.
        types: their types in Arrow, if it has them before it is read: text has none.
        files: its files; none of a stream or a pipe, which can be read only once.
        size: how many bytes its files have; None if that is not known.
        is_live: whether it is a pipe, of which rows are answered as they come.
        may_vary: whether its rows may lack columns.
        decimal: the decimal mark of its numbers.
        again: opens some of its files in the same way, also in another process; None if it has none.
    """

    again: Any

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def names(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def types(self) -> Mapping[str, pa.DataType]: ...  # noqa: D102

    @property
    def files(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def size(self) -> int | None: ...  # noqa: D102

    @property
    def is_live(self) -> bool: ...  # noqa: D102

    @property
    def may_vary(self) -> bool: ...  # noqa: D102

    @property
    def decimal(self) -> str: ...  # noqa: D102

    def blocks(self, start: Place | None, columns: Sequence[str]) -> Iterator[Block]:
        """Its blocks from `start` on, of these columns at least."""
        ...


class TableSource:
    """A table in files or in a pipe."""

    def __init__(self, source: Any, table: Table, again: Callable[[Sequence[Path]], "Opened"]) -> None:
        """Take an opened table, and what opens some of its files in the same way."""
        self._table, self.again = table, again
        is_one = isinstance(source, str | os.PathLike) and source != "-"
        self.name = str(source) if is_one else table.name
        self.names, self.size, self.is_live = table.names, table.size, table.is_live
        self.types = table.types
        self.files: Sequence[str] = () if table.is_live else table.files
        self.may_vary = table.may_vary
        self.decimal = "." if table.dialect is None else table.dialect.decimal

    def blocks(self, start: Place | None, columns: Sequence[str]) -> Iterator[Block]:
        """See `Opened`."""
        return self._table.blocks(start, columns)


class StreamSource:
    """Record batches of somebody else."""

    name, size, is_live, may_vary, decimal = "the stream", None, False, False, "."
    files: Sequence[str] = ()
    again = None

    def __init__(self, reader: Any) -> None:
        """Take a `pyarrow.RecordBatchReader`."""
        self._reader = reader
        self.names = list(reader.schema.names)
        self.types: Mapping[str, pa.DataType] = dict(zip(self.names, reader.schema.types, strict=True))

    def blocks(self, start: Place | None, columns: Sequence[str]) -> Iterator[Block]:
        """See `Opened`. It is read once."""
        del start
        row = 1
        for batch in _each(self._reader):
            batch = batch.select([name for name in dict.fromkeys(columns) if name in batch.schema.names])
            for first in range(0, batch.num_rows, _ROWS):
                part = batch.slice(first, _ROWS)
                yield _StreamBlock(part, Place(row=row), Place(row=row + part.num_rows))
                row += part.num_rows


class _StreamBlock:
    """Some rows of a stream; see `tables.blocks.Block`."""

    name, read = "the stream", 0

    def __init__(self, batch: Any, place: Place, end: Place) -> None:
        self._batch, self.place, self.end = batch, place, end

    def parse(self, types: Any = None, decimal: str = ".") -> Parsed:
        """See `tables.blocks.Block`."""
        del types, decimal
        rows = np.arange(self.place.row, self.end.row, dtype=np.int64)
        return Parsed(self._batch, rows, [], functools.partial(row_text, self._batch))


def open_source(
    source: Source,
    options: Options,
    limits: Limits,
    features: Sequence[Feature] = (),
    note: Callable[[str], None] | None = None,
) -> Opened:
    """Open a source.

    Args:
        source: where it is.
        options: how its text is written, if that is said.
        limits: how much it may take.
        features: the model's. CSV whose first line does not name them has no header, and its columns are in their
            order, if that line is a row.
        note: is told what is done with a first line that may be a header or a row.

    Raises:
        InvalidInput: it cannot be read, or is none; or its first line is neither a header nor a row.
    """
    if hasattr(source, "__arrow_c_stream__"):
        return StreamSource(_reader(source))
    is_path = isinstance(source, str | os.PathLike)
    is_list = isinstance(source, list | tuple) and all(isinstance(one, str | os.PathLike) for one in source)
    if not is_path and not (is_list and source):
        raise InvalidInput(
            "a source is a path, a list of paths, or a stream of Arrow such as a table or a frame, found "
            f"{type(source).__name__}"
        )
    paths: Any = os.fspath(source) if is_path else [Path(one) for one in source]
    table = open_table(
        paths, encoding=options.encoding, delimiter=options.delimiter, decimal=options.decimal, limits=limits
    )
    try:
        is_csv = table.dialect is not None and table.dialect.delimiter is not None
        if features and is_csv and not names_every_feature(table.names, features):
            try:
                first_row(list(table.names), features, table.name, note or (lambda _: None))
            except InvalidInput as error:
                raise InvalidInput(f"{printable(table.name)} line 1: {error}") from error
            table = table.without_header([feature.name for feature in features])
        table.check_columns()
    except InvalidInput:
        table.close()
        raise
    again = functools.partial(open_source, options=options, limits=limits, features=features)
    return TableSource(source, table, again)


def stamps(source: Opened) -> list[list[Any]]:
    """What tells the files of a source from others: their paths, sizes and times.

    Raises:
        InvalidInput: one of them is not there any more.
    """
    found: list[list[Any]] = []
    for file in source.files:
        try:
            status = Path(file).stat()
        except OSError as error:
            raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
        found.append([str(Path(file).absolute()), status.st_size, status.st_mtime_ns])
    return found


@reading
def _reader(source: Any) -> Any:
    return pa.RecordBatchReader.from_stream(source)


@reading
def _next(reader: Any) -> Any:
    return next(reader, None)


def _each(reader: Any) -> Iterator[Any]:
    while (batch := _next(reader)) is not None:
        yield batch
