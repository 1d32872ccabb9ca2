"""Parquet, Feather and Arrow's stream: columns of typed values, read some rows at a time."""

import contextlib
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.opened_files import too_much
from edge_runtime.contract.terminal import printable
from edge_runtime.tables.blocks import Block, Parsed, Place, row_text
from edge_runtime.tables.byte_streams import ByteStream, first_line, reading
from edge_runtime.tables.dialect import Dialect
from edge_runtime.tables.files import Kind
from edge_runtime.tables.parquet_sizes import declared_bytes, longest_string
from edge_runtime.tables.plain_numbers import row_numbers

# Rows that are given at a time, and bytes that the strings of a column take then.
_ROWS, _STRING_BYTES = 1 << 16, 64 << 20
_BUFFER = 1 << 20


@dataclass
class ColumnarBlock:
    """Some rows of a file of typed columns; see `Block`."""

    place: Place
    end: Place
    read: int
    file: "ColumnarFile"
    batch: pa.RecordBatch

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.file.name

    def parse(self, types: Mapping[str, pa.DataType] | None = None, decimal: str = ".") -> Parsed:
        """As `Block.parse`. Columns are of the types that they have."""
        del decimal
        batch = self.batch
        if types is not None:
            known = set(batch.schema.names)
            batch = batch.select([name for name in types if name in known])
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            raise InvalidInput(f"{printable(self.name)} is damaged: {first_line(error)}") from error
        return Parsed(
            batch, row_numbers(self.place.row, self.batch.num_rows), [], functools.partial(row_text, self.batch)
        )


class Reader(Protocol):
    """What reads the rows of an open file.

    Attributes:
        schema: of the file.
        count: how many rows it has; None if it does not say so.
    """

    schema: pa.Schema
    count: int | None

    def batches(self, first: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        """The rows from row `first` of the file on, counted from 0."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class ColumnarFile:
    """A file of typed columns.

    Attributes:
        name: what messages call it.
        names: of the columns.
        schema: their names and types.
    """

    dialect: Dialect | None = None
    may_vary = False

    def __init__(self, path: str, kind: Kind, packed: bytes | None, most: int | None) -> None:
        """Read what its columns are.

        Args:
            path: where it is.
            kind: its format.
            packed: its content, if it has been unpacked.
            most: the most bytes that it may take in memory as a whole; None if it is read in parts.

        Raises:
            InvalidInput: it is damaged, or takes more.
        """
        self.name, self._path, self._kind, self._packed, self._most = path, path, kind, packed, most
        with self._reading():
            reader = self._opened()
            self.schema = reader.schema
            self.names = tuple(name.strip() for name in self.schema.names)
            reader.close()

    def without_header(self, names: Sequence[str]) -> "ColumnarFile":
        """The same file: its columns always have names."""
        del names
        return self

    def close(self) -> None:
        """It is open only while it is read."""

    def check_header(self) -> None:
        """Its columns always have names."""

    def first_place(self, file: int, row: int) -> Place:
        """Where its rows begin."""
        return Place(file, 0, row)

    def blocks(self, place: Place, columns: Collection[str] | None) -> Iterator[Block]:
        """The rows from `place` on."""
        wanted = None
        if columns is not None:
            chosen = set(columns)
            wanted = [name for name, column in zip(self.schema.names, self.names, strict=True) if column in chosen]
        size = Path(self._path).stat().st_size
        with self._reading():
            reader = self._opened()
            try:
                for batch in reader.batches(place.position, wanted):
                    for start in range(0, batch.num_rows, _ROWS):
                        part = batch.slice(start, _ROWS)
                        part = part.rename_columns([name.strip() for name in part.schema.names])
                        rows = part.num_rows
                        end = Place(place.file, place.position + rows, place.row + rows)
                        read = size if not reader.count else size * end.position // reader.count
                        yield ColumnarBlock(place, end, read, self, part)
                        place = end
            finally:
                reader.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Raise InvalidInput for a damaged file."""
        name = printable(self.name)
        try:
            yield
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{name}: the name of a column is not UTF-8 text") from error
        except pa.ArrowException as error:
            raise InvalidInput(f"{name} is not {_KINDS[self._kind]}, or a damaged one: {first_line(error)}") from error

    def _opened(self) -> Reader:
        content: Any = self._path if self._packed is None else pa.BufferReader(self._packed)
        if self._kind == "parquet":
            return _Parquet(content, self._path, self._most)
        return _ArrowFile(content) if self._kind == "feather" else _ArrowStream(content)


class _Parquet:
    def __init__(self, content: Any, name: str, most: int | None) -> None:
        self._content, self._name, self._most = content, name, most
        # A buffer, so that no column of a group of rows is read as a whole.
        self._file = pa.parquet.ParquetFile(content, buffer_size=_BUFFER)
        self.schema, self.count = self._file.schema_arrow, self._file.metadata.num_rows
        if most is not None and declared_bytes(self._file.metadata) > most:
            raise InvalidInput(too_much(name, most))

    def batches(self, first: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        metadata, size = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if first >= rows:
                first -= rows
                continue
            longest = longest_string(self._content, metadata, group)
            at_once = max(1, min(_ROWS, _STRING_BYTES // longest))
            for batch in self._file.iter_batches(at_once, row_groups=[group], columns=columns):
                size += batch.nbytes
                if self._most is not None and size > self._most:
                    raise InvalidInput(too_much(self._name, self._most))
                if first < batch.num_rows:
                    yield batch.slice(first)
                first = max(0, first - batch.num_rows)

    def close(self) -> None:
        self._file.close()


class _ArrowFile:
    def __init__(self, content: Any) -> None:
        self._source = pa.memory_map(content) if isinstance(content, str) else content
        self._file = pa.ipc.open_file(self._source)
        self.schema = self._file.schema
        self.count: int | None = None

    def batches(self, first: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        batches = (self._file.get_batch(number) for number in range(self._file.num_record_batches))
        yield from _after(batches, first, columns)

    def close(self) -> None:
        self._source.close()


class _ArrowStream:
    def __init__(self, content: Any) -> None:
        self._source = pa.OSFile(content) if isinstance(content, str) else content
        self._reader = pa.ipc.open_stream(self._source)
        self.schema = self._reader.schema
        self.count: int | None = None

    def batches(self, first: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        yield from _after(self._reader, first, columns)

    def close(self) -> None:
        self._source.close()


_KINDS: dict[Kind, str] = {
    "parquet": "a Parquet file",
    "feather": "a Feather or Arrow file",
    "stream": "a stream of Arrow",
}


def open_columnar(path: str, stream: ByteStream, kind: Kind, are_kept: bool) -> ColumnarFile:
    """The Parquet, Feather or Arrow file at `path`, whose `stream` has just been opened.

    A packed one is unpacked as a whole, which may take as much memory as the limits allow.
    """
    try:
        if not stream.is_seekable:
            raise InvalidInput(f"{printable(path)} is a pipe, which can carry CSV and JSON; save it in a file")
        packed = None
        most = stream.most
        if stream.packing is not None:
            with reading(path):
                blocks, size = [], 0
                while block := stream.read(_BUFFER):
                    blocks.append(block)
                    size += len(block)
                    if most is not None and size > most:
                        raise InvalidInput(too_much(path, most))
            packed = b"".join(blocks)
    finally:
        stream.close()
    return ColumnarFile(path, kind, packed, most if are_kept else None)


def _after(batches: Iterable[pa.RecordBatch], first: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """The rows of `batches` from row `first` on."""
    for batch in batches:
        if first < batch.num_rows:
            # Whatever is wrong in it may end the process once it is sliced.
            batch.validate(full=True)
            part = batch.slice(first)
            yield part if columns is None else part.select(columns)
        first = max(0, first - batch.num_rows)
