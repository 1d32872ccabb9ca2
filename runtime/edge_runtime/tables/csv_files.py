"""CSV files: their header, and their rows in blocks."""

import io
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from edge_runtime.contract.csv_cells import csv_cells
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import how_to_raise
from edge_runtime.contract.terminal import counted, printable, shortened
from edge_runtime.contract.values import is_number
from edge_runtime.tables.blocks import Block, Place
from edge_runtime.tables.csv_blocks import NEVER_CLOSED, CsvBlock, CsvFormat
from edge_runtime.tables.csv_records import cut
from edge_runtime.tables.dialect import Dialect, find_decimal, find_delimiter
from edge_runtime.tables.text_source import TextSource

# How much is parsed at a time, at least, and for each column: a column of a block takes hundreds of bytes, however few
# rows it has.
_BLOCK, _BLOCK_OF_COLUMN = 2 << 20, 128


class CsvFile:
    """A CSV file.

    Attributes:
        name: what messages call it.
        names: of the columns.
        dialect: how it is written.
    """

    may_vary = False

    def __init__(self, source: TextSource, dialect: Dialect, delimiter: str | None, decimal: str | None) -> None:
        """Read the header.

        Args:
            source: the file.
            dialect: its encoding.
            delimiter: the character between cells; None to find it.
            decimal: the decimal mark; None to find it.

        Raises:
            InvalidInput: there is not a header.
        """
        self._source, self.name, self._limits = source, source.name, source.limits
        # Said before the line is taken apart, which takes several times its memory.
        self._check_lines(source.sample, has_record=True)
        lines = source.sample_lines()
        delimiter = delimiter or find_delimiter(lines, source.name, source.limits)
        # Only the first lines, so that a quote that is never closed does not take in the whole file.
        cells = csv_cells(itertools.islice(lines, 1000), delimiter, source.name, InvalidInput, source.limits)
        line, header = next(((line, found) for line, found in cells if found), (0, []))
        if not header:
            raise InvalidInput(
                f"{printable(source.name)} is empty; a header line with the names of the columns is needed"
            )
        self.names = tuple(name.strip() for name in header)
        decimal = decimal or find_decimal(lines[line:], delimiter, source.limits)
        self.dialect: Dialect | None = replace(dialect, delimiter=delimiter, decimal=decimal)
        self._delimiter = delimiter
        before = "".join(lines[:line]).encode(errors="surrogateescape")
        self._start, self._line = len(before), line + 1
        if "\udc80" <= max("".join(header), default="") <= "\udcff":
            raise InvalidInput(
                f"{printable(source.name)} line {line} is not UTF-8 text; name its encoding, such as --encoding cp1252"
            )
        self._texts: set[str] = set()
        source.forget_sample()

    def close(self) -> None:
        """Close it, if it is a pipe that nothing has been read of."""
        self._source.close()

    def check_header(self) -> None:
        """Raise InvalidInput if the first line has no names of columns, or is not taken apart."""
        name, names = printable(self.name), self.names
        # pandas writes 0,1,2,... if columns have no names.
        if all(map(is_number, names)) and list(names) != list(map(str, range(len(names)))):
            raise InvalidInput(
                f"{name}: the first line has numbers, not names; add a line above it with the columns' names"
            )
        if len(names) == 1 and any(mark in names[0] for mark in ",;|\t"):
            raise InvalidInput(
                f"{name}: the header has only one column, {shortened(repr(names[0]))}; name the character between "
                "columns with --delimiter"
            )

    def without_header(self, names: Sequence[str]) -> "CsvFile":
        """The same file with its first line as a row, and these names of its columns."""
        other = object.__new__(CsvFile)
        other.__dict__.update(self.__dict__)
        other.names, other._start, other._line, other._texts = tuple(names), 0, 1, set()
        return other

    def first_place(self, file: int, row: int) -> Place:
        """Where its rows begin."""
        return Place(file, self._start, row, self._line)

    def blocks(self, place: Place, columns: Collection[str] | None) -> Iterator[Block]:
        """The rows from `place` on."""
        del columns
        delimiter = self._delimiter
        form = CsvFormat(self.name, self.names, delimiter, self._texts)
        size = max(_BLOCK, _BLOCK_OF_COLUMN * len(self.names))
        with self._source.opened(place.position) as stream:
            content, is_last = b"", False
            while not is_last or content:
                if not is_last:
                    # From any place on, the same blocks follow.
                    missing = size - len(content)
                    more = stream.read(missing if missing > 0 else len(content), self._source.is_live)
                    is_last, content = not more, content + more
                found = cut(content, delimiter, is_last)
                self._check_lines(content, found.end > 0)
                if found.end:
                    end = Place(
                        place.file, place.position + found.end, place.row + found.rows, place.line + found.lines
                    )
                    if found.rows:
                        yield CsvBlock(place, end, stream.on_disk, content[: found.end], form)
                    place, content = end, content[found.end :]
                elif is_last and content:
                    # The quote that is never closed belongs to its first line alone.
                    stop = len(io.BytesIO(content).readline())
                    end = Place(place.file, place.position + stop, place.row + 1, place.line + 1)
                    yield CsvBlock(place, end, stream.on_disk, content[:stop], form, NEVER_CLOSED)
                    place, content = end, content[stop:]

    def _check_lines(self, content: bytes, has_record: bool) -> None:
        """Raise InvalidInput if a line is longer than the limit allows, or no record is whole within it."""
        longest = self._limits.line_bytes
        if longest is None or len(content) <= longest:
            return
        most = f"of more than {counted(longest, 'byte')}"
        if any(len(line.rstrip(b"\r\n")) > longest for line in io.BytesIO(content)):
            raise InvalidInput(f"{printable(self.name)} has a line {most}{how_to_raise('line_bytes')}")
        if not has_record:
            raise InvalidInput(
                f"{printable(self.name)} has a record {most}, or a quote never closed{how_to_raise('line_bytes')}"
            )
