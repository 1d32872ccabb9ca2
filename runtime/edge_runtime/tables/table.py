"""A table in one file or in many, read in blocks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import DEFAULTS, Limits, how_to_raise
from edge_runtime.contract.terminal import counted, printable, shortened
from edge_runtime.contract.values import listed
from edge_runtime.tables.blocks import Block, Place
from edge_runtime.tables.byte_streams import STDIN, ByteStream, reading
from edge_runtime.tables.columnar_files import ColumnarFile, open_columnar
from edge_runtime.tables.csv_files import CsvFile
from edge_runtime.tables.dialect import Dialect, checked_decimal, checked_delimiter
from edge_runtime.tables.files import find_files, kind_of
from edge_runtime.tables.json_files import JsonFile
from edge_runtime.tables.text_source import TextSource


class File(Protocol):
    """One file of a table.

    Attributes:
        dialect: how it is written; None if it is not text.
        may_vary: whether its rows may have other columns than its first ones.
    """

    dialect: Dialect | None
    may_vary: bool

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        ...

    def without_header(self, names: Sequence[str]) -> "File":
        """The same file, with its first line as a row, and these names of its columns, if it has a header."""
        ...

    def close(self) -> None:
        """Close it, if it is a pipe that nothing has been read of."""
        ...

    def check_header(self) -> None:
        """Raise InvalidInput if it has no header, although it should."""
        ...

    def first_place(self, file: int, row: int) -> Place:
        """Where its rows begin."""
        ...

    def blocks(self, place: Place, columns: Collection[str] | None) -> Iterator[Block]:
        """Its rows from `place` on."""
        ...


class Table:
    """A table in one file or in many, which have the same columns, in any order.

    Attributes:
        files: the paths of its files.
        name: what messages call its first file.
        names: of the columns, in the order of the first file. Of JSON, those in its first lines.
        types: of the columns, as the first file has them; none of text.
        dialect: how its first file writes it; None if that is not text.
        size: how many bytes its files have on the disk; None if there is a pipe among them.
        is_live: whether it is a pipe, of which rows are given on as they come.
        may_vary: whether rows may have other columns than the first ones, as those of JSON.
    """

    def __init__(self, files: Sequence[File], paths: Sequence[str], limits: Limits) -> None:
        """Take opened files; see `open_table`."""
        self._limits = limits
        self._files, self.files = tuple(files), tuple(paths)
        self.name, self.names, self.dialect = files[0].name, files[0].names, files[0].dialect
        first = files[0]
        self.types: Mapping[str, pa.DataType] = {}
        if isinstance(first, ColumnarFile):
            self.types = dict(zip(first.names, first.schema.types, strict=True))
        sizes = [Path(path).stat().st_size if path != STDIN and Path(path).is_file() else None for path in paths]
        self.size = None if None in sizes else sum(size or 0 for size in sizes)
        self.is_live = self.size is None
        self.may_vary = any(file.may_vary for file in files)

    def close(self) -> None:
        """Close the pipes among its files, of which nothing is to be read; files are open only while they are read."""
        for file in self._files:
            file.close()

    def check_headers(self) -> None:
        """Check what begins with rows instead of a header, too.

        Raises:
            InvalidInput: as `check_columns`; or the first line of a CSV file has no names of columns, or is not taken
                apart.
        """
        for file in self._files:
            file.check_header()
        self.check_columns()

    def check_columns(self) -> None:
        """Check the names of the columns.

        Raises:
            InvalidInput: a column has no name, or the name of another one; or files have different columns, or more
                than the limits allow.
        """
        for file in self._files:
            _check_names(file, self._limits)
            _check_same_columns(self._files[0], file)

    def without_header(self, names: Sequence[str]) -> "Table":
        """The same table, whose CSV files have no header: their first lines are rows, and these the names of columns.

        It takes the place of this one, if that is a pipe.
        """
        return Table([file.without_header(names) for file in self._files], self.files, self._limits)

    def blocks(self, start: Place | None = None, columns: Collection[str] | None = None) -> Iterator[Block]:
        """Its rows in order, some thousands at a time.

        Args:
            start: where to begin, as `Block.end` of an earlier block; by default at the beginning.
            columns: those that will be asked for: others of Parquet and Arrow files are not read. By default all.

        Raises, as they are read:
            InvalidInput: as `check_columns`; or a file is damaged, cannot be read, or is beyond the limits.
        """
        self.check_columns()
        row, before = start.row if start is not None else 1, 0
        first = start.file if start is not None else 0
        for number, (file, path) in enumerate(zip(self._files, self.files, strict=True)):
            if number >= first:
                place = file.first_place(number, row)
                if start is not None and number == first:
                    place = start
                with reading(file.name):
                    for block in file.blocks(place, columns):
                        row = block.end.row
                        block.read += before
                        yield block
            before += Path(path).stat().st_size if self.size is not None else 0


def open_table(
    source: str | Path | Sequence[str | Path],
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    limits: Limits = DEFAULTS,
    are_kept: bool = False,
) -> Table:
    """Open a table: a file, a pattern such as `logs/*.csv`, a folder, several of these, or `-` for standard input.

    Formats are CSV with any separator, JSON Lines, arrays of JSON objects, Parquet, Feather and Arrow's streams, each
    also packed by gzip, zstd, bzip2, lz4 or xz.

    Args:
        source: where it is.
        encoding: of text; by default found from its first bytes, or UTF-8.
        delimiter: the character between the cells of CSV; by default found.
        decimal: the decimal mark of numbers in CSV, for `Table.dialect`; by default found.
        limits: how much may be read.
        are_kept: whether all that is read stays in memory, so that no more is unpacked than the limits allow.

    Raises:
        InvalidInput: there is no such file, or one cannot be read as a table.
    """
    delimiter = None if delimiter is None else checked_delimiter(delimiter)
    decimal = None if decimal is None else checked_decimal(decimal)
    if delimiter is not None and delimiter == decimal:
        raise InvalidInput(f"{delimiter!r} cannot both separate columns and be the decimal mark")
    paths = find_files(source)
    files: list[File] = []
    for path in paths:
        with reading(path):
            file = _opened(path, Dialect(encoding or "", delimiter, decimal or ""), limits, are_kept)
        files.append(file)
    return Table(files, paths, limits)


def _opened(path: str, given: Dialect, limits: Limits, are_kept: bool) -> File:
    stream = ByteStream(path, limits, are_kept)
    if not stream.start:
        stream.close()
        raise InvalidInput(f"{printable(stream.name)} is empty")
    kind = kind_of(path, stream.start)
    if kind in ("parquet", "feather", "stream"):
        return open_columnar(path, stream, kind, are_kept)
    try:
        source = TextSource(path, stream, limits, given.encoding or None, are_kept)
    except BaseException:
        stream.close()
        raise
    if kind == "json":
        return JsonFile(source, Dialect(source.encoding, None))
    return CsvFile(source, Dialect(source.encoding), given.delimiter, given.decimal or None)


def _check_names(file: File, limits: Limits) -> None:
    name, names, most = printable(file.name), file.names, limits.columns
    if most is not None and len(names) > most:
        raise InvalidInput(f"{name} has {counted(len(names), 'column')}, more than {most:,}{how_to_raise('columns')}")
    if not names:
        raise InvalidInput(f"{name} has no columns")
    seen = set()
    for number, column in enumerate(names, start=1):
        if not column:
            raise InvalidInput(
                f"{name}: column {number} has no name in the header; give it one (pandas writes such a column unless "
                "index=False)"
            )
        if len(column.splitlines()) > 1:
            raise InvalidInput(f"{name}: the name of column {number} has more than one line")
        if "\0" in column:
            raise InvalidInput(f"{name}: the name of column {number} has a null in it; save the table as UTF-8 text")
        if column in seen:
            raise InvalidInput(f"{name}: two columns have the name {shortened(repr(column))}; rename one of them")
        seen.add(column)


def _check_same_columns(first: File, other: File) -> None:
    """Raise InvalidInput if the files of one table have different columns."""
    if first.may_vary or other.may_vary:
        return
    if first.names == other.names:
        return
    here, there = set(first.names), set(other.names)
    if lacking := [name for name in first.names if name not in there]:
        raise InvalidInput(
            f"{printable(other.name)} lacks {listed(lacking)}, which {printable(first.name)} has; the files of a table "
            "have the same columns"
        )
    if more := [name for name in other.names if name not in here]:
        raise InvalidInput(
            f"{printable(other.name)} also has {listed(more)}, which {printable(first.name)} lacks; the files of a "
            "table have the same columns"
        )
