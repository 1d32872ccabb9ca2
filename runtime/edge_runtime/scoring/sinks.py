"""Where answers go, so that a run that was killed goes on after what it had written: lines, Parquet, Feather.

Each sink has states: what it says of a file that ends there. A sink that is made with a state goes on from it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from edge_runtime.scoring.formats import Format

# What a sink says of a file that ends there, as JSON takes it.
State: TypeAlias = dict[str, Any]

# A group of rows of Parquet ends when it has so many of them, or so many bytes.
_GROUP_ROWS = 128 * 1024
_GROUP_BYTES = 16 * 1024 * 1024
_MAGIC = b"PAR1"


class Sink(Protocol):
    """Takes pieces of answers: lines for the formats of text, record batches for the others."""

    def write(self, piece: Any) -> None:
        """Add a piece."""

    def commit(self) -> State:
        """Hand everything to the system, and say where a file ends that holds so much."""

    def finish(self) -> None:
        """End the file, which is whole then."""

    def abort(self) -> None:
        """Write nothing more."""


class LineSink:
    """Lines, which `write` takes as they are; for a file, a pipe, or any object that bytes can be written to."""

    def __init__(self, write: Callable[[Any], object], start: State | None) -> None:
        """Write by `write`, after what `start` says."""
        self._write, self._bytes = write, start["bytes"] if start else 0

    def write(self, piece: Any) -> None:
        """See `Sink`."""
        if len(piece):
            self._write(piece)
            self._bytes += len(piece)

    def commit(self) -> State:
        """See `Sink`."""
        return {"bytes": self._bytes}

    def finish(self) -> None:
        """See `Sink`."""

    def abort(self) -> None:
        """See `Sink`."""


class ParquetSink:
    """Parquet, as several files one after the other whose footers become one.

    The places in a footer are those in the whole file, and what no footer mentions is not a part of it. So each commit
    ends with a footer, and the last footer names the groups of rows of all.
    """

    def __init__(
        self, write: Callable[[Any], object], schema: Any, start: State | None, path: Path | None = None
    ) -> None:
        """Write record batches with this schema by `write`.

        Args:
            write: takes bytes.
            schema: of the record batches.
            start: what is in the file.
            path: the file's, to read its footers again; None if `commit` is not called.
        """
        import pyarrow as pa

        self._write, self._schema, self._path = write, schema, path
        self._ends: list[int] = list(start["ends"]) if start else []
        self._writer: Any = None
        self._file: Any = None
        self._waiting: list[Any] = []
        self._rows = self._size = 0
        # Dictionaries help where values repeat. Numbers that do not would be counted in vain.
        self._repeating = [
            field.name
            for field in schema
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type) or field.name == "label"
        ]

    def write(self, piece: Any) -> None:
        """See `Sink`."""
        self._waiting.append(piece)
        self._rows += piece.num_rows
        self._size += piece.nbytes
        if self._rows >= _GROUP_ROWS or self._size >= _GROUP_BYTES:
            self._write_group()

    def commit(self) -> State:
        """See `Sink`."""
        self._end_part()
        return {"bytes": self._ends[-1] if self._ends else 0, "ends": list(self._ends)}

    def finish(self) -> None:
        """See `Sink`."""
        if not self._ends and self._writer is None:
            self._open()
        self._end_part()
        if len(self._ends) > 1:
            assert self._path is not None
            first, *others = (_footer(self._path, end) for end in self._ends)
            for footer in others:
                first.append_row_groups(footer)
            import pyarrow as pa

            end = pa.BufferOutputStream()
            first.write_metadata_file(end)
            self._write(end.getvalue())

    def abort(self) -> None:
        """See `Sink`."""
        if self._writer is not None:
            # It writes its footer when it is closed, and is closed when nobody has it any more.
            self._target.is_over = True
            self._writer.close()
            self._writer = None

    def _open(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        start = self._ends[-1] if self._ends else 0
        target = self._target = _After(self._write, start)
        self._file = pa.PythonFile(target, mode="w")
        self._writer = pq.ParquetWriter(self._file, self._schema, use_dictionary=self._repeating)
        # The writer begins files only. It counts what it writes, and is made to count what lies before: nobody looks
        # at these bytes.
        if start > target.position:
            here = pa.py_buffer(_MAGIC)
            self._file.write(pa.foreign_buffer(here.address, start - target.position, base=here))

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._writer is None:
            self._open()
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), row_group_size=2 * _GROUP_ROWS)
        self._waiting, self._rows, self._size = [], 0, 0

    def _end_part(self) -> None:
        if self._waiting:
            self._write_group()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._ends.append(self._file.tell())


def _footer(path: Path, end: int) -> Any:
    """The footer of a file of Parquet that ends at this byte of the file at `path`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        file.seek(end - 8)
        size = int.from_bytes(file.read(4), "little")
        file.seek(end - 8 - size)
        return pq.read_metadata(pa.BufferReader(_MAGIC + file.read(size + 8)))


class FeatherSink:
    """Arrow's file format, which has the places of all record batches at its end.

    To go on, the record batches that are in the file are handed to the writer again, and their bytes thrown away.
    """

    def __init__(
        self, write: Callable[[Any], object], schema: Any, output: Format, start: State | None, path: Path | None = None
    ) -> None:
        """Write record batches with this schema by `write`; what is in the file at `path` is what `start` says."""
        import pyarrow as pa

        self._target = _After(write, start["bytes"] if start else 0)
        self._file = pa.PythonFile(self._target, mode="w")
        options = pa.ipc.IpcWriteOptions(compression=output.compression, use_threads=False)
        self._writer = pa.ipc.new_file(self._file, schema, options=options)
        if start and path is not None:
            with pa.memory_map(str(path)) as file:
                file.seek(8)  # behind the magic bytes of a file follows a stream
                for batch in pa.ipc.open_stream(file):
                    self._writer.write_batch(batch)

    def write(self, piece: Any) -> None:
        """See `Sink`."""
        self._writer.write_batch(piece)

    def commit(self) -> State:
        """See `Sink`."""
        return {"bytes": self._target.position}

    def finish(self) -> None:
        """See `Sink`."""
        self._writer.close()

    def abort(self) -> None:
        """See `Sink`."""
        self._target.is_over = True
        self._writer.close()


class _After:
    """A file for pyarrow, whose first bytes are written already. Once it is over, bytes are counted and not written."""

    closed = False

    def __init__(self, write: Callable[[Any], object], start: int) -> None:
        self._write, self._start, self.position = write, start, 0
        self.is_over = False

    def write(self, data: Any) -> int:
        size, before = len(data), max(0, self._start - self.position)
        self.position += size
        if before < size and not self.is_over:
            self._write(memoryview(data)[before:])
        return size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def opened_sink(
    output: Format, schema: Any, write: Callable[[Any], object], start: State | None, path: Path | None = None
) -> Sink:
    """The sink of a format.

    Args:
        output: the format.
        schema: of the record batches that it takes, if it is not lines.
        write: takes bytes.
        start: what is in the file at `path` already, if there is something.
        path: the file; None for what cannot be read again.
    """
    if output.is_text:
        return LineSink(write, start)
    if output.kind == "feather":
        return FeatherSink(write, schema, output, start, path)
    return ParquetSink(write, schema, start, path)
