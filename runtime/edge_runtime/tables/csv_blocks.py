"""Blocks of CSV: rows as text, which Arrow parses column by column."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import counted
from edge_runtime.tables.blocks import Fault, Parsed, Place
from edge_runtime.tables.csv_records import Places, lines_before, records, widths
from edge_runtime.tables.plain_numbers import MISSING, NOT_UTF8, are_plain, numbers_of, row_numbers, stripped

NEVER_CLOSED = "not CSV: a quote is never closed"


@dataclass(frozen=True)
class CsvFormat:
    """What the blocks of a file have in common.

    Attributes:
        name: the file's name.
        names: the names of the columns.
        delimiter: the character between cells.
        texts: columns with cells that are no plain numbers, as far as it is known: to ask for numbers first would only
            take time.
    """

    name: str
    names: tuple[str, ...]
    delimiter: str
    texts: set[str]


@dataclass
class CsvBlock:
    """Some records of a CSV file; see `Block`.

    Attributes:
        content: their text.
        fault: why it is not a row, if it is known to be none.
    """

    place: Place
    end: Place
    read: int
    content: bytes
    format: CsvFormat
    fault: str | None = None

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.format.name

    def parse(self, types: Mapping[str, pa.DataType] | None = None, decimal: str = ".") -> Parsed:
        """As `Block.parse`."""
        if types is None:
            types = dict.fromkeys(self.format.names, pa.string())
        known = set(self.format.names)
        wanted = {name: types[name] for name in types if name in known}
        count = self.end.row - self.place.row
        if self.fault is not None:
            return self._good_rows(wanted, decimal)
        try:
            batch = self._columns(self.content, count, wanted, decimal)
        except pa.ArrowException:
            return self._good_rows(wanted, decimal)
        found = _Records(self, np.arange(count))
        return Parsed(batch, row_numbers(self.place.row, count), [], found, found.line)

    def _columns(self, content: bytes, count: int, wanted: Mapping[str, pa.DataType], decimal: str) -> pa.RecordBatch:
        """The columns of `content`.

        Raises:
            pyarrow.ArrowException: a record has another number of cells, a cell is not UTF-8, or Arrow found another
                number of records.
        """
        as_numbers = [name for name in wanted if pa.types.is_floating(wanted[name]) and name not in self.format.texts]
        kinds = {name: pa.float64() if name in as_numbers else pa.string() for name in wanted}
        try:
            found = _read(content, self.format, kinds, decimal)
            texts = [name for name in as_numbers if not are_plain(found[name])]
            columns = {name: found[name] for name in wanted}
        except pa.ArrowInvalid:
            if not as_numbers:
                raise
            texts, columns = as_numbers, {}
        if texts:
            again = dict.fromkeys(texts if columns else wanted, pa.string())
            columns |= _read(content, self.format, again, decimal)
        for name, column in columns.items():
            if pa.types.is_string(column.type):
                columns[name] = self._text(name, stripped(column), wanted[name], decimal)
        batch = pa.RecordBatch.from_arrays([columns[name] for name in wanted], list(wanted))
        if wanted and batch.num_rows != count:
            raise pa.ArrowInvalid(f"{batch.num_rows} records, expected {count}")
        return batch

    def _text(self, name: str, strings: pa.Array, wanted: pa.DataType, decimal: str) -> pa.Array:
        """Strings as what is wanted, if they are plain numbers nevertheless."""
        if not pa.types.is_floating(wanted):
            return strings
        if (numbers := numbers_of(strings, decimal)) is not None:
            return numbers
        self.format.texts.add(name)
        return strings

    def _good_rows(self, wanted: Mapping[str, pa.DataType], decimal: str) -> Parsed:
        """The rows, and the records that are none, found by their number of cells and by their encoding."""
        starts, stops = records(self.content, self.format.delimiter)
        if self.fault is not None:
            reasons = dict.fromkeys(range(len(starts)), self.fault)
        else:
            reasons = self._reasons(starts, stops)
        good = np.array([number for number in range(len(starts)) if number not in reasons], np.int64)
        content = b"\n".join([self.content[starts[number] : stops[number]] for number in good])
        try:
            batch = self._columns(content, len(good), wanted, decimal)
        except pa.ArrowException as error:
            raise InvalidInput(f"{self.name} from line {self.place.line} on cannot be read: {error}") from error
        bad = sorted(reasons)
        lines = lines_before(self.content, starts[bad]) + self.place.line
        faults = [
            Fault(
                self.place.row + number,
                int(line),
                reasons[number],
                # The end of the line of one whose quote is never closed is within the quote.
                self.content[starts[number] : stops[number]].rstrip(b"\r\n").decode(errors="backslashreplace"),
                self.name,
            )
            for number, line in zip(bad, lines, strict=True)
        ]
        found = _Records(self, good)
        return Parsed(batch, good + self.place.row, faults, found, found.line)

    def _reasons(self, starts: Places, stops: Places) -> dict[int, str]:
        """The records that are not rows, and why."""
        width = len(self.format.names)
        counts = widths(self.content, self.format.delimiter, starts)
        reasons = {
            int(number): f"{counted(int(counts[number]), 'value')}, but the header has {counted(width, 'column')}"
            for number in np.flatnonzero(counts != width)
        }
        if not _is_utf8(self.content):
            for number, span in enumerate(zip(starts, stops, strict=True)):
                if number not in reasons and not _is_utf8(self.content[slice(*span)]):
                    reasons[number] = NOT_UTF8
        return reasons


class _Records:
    """The text of each good row of a block, and where it is."""

    def __init__(self, block: CsvBlock, good: npt.NDArray[np.int64]) -> None:
        self._block, self._good = block, good
        self._spans: list[tuple[int, int]] | None = None
        self._lines: list[int] | None = None

    def __call__(self, place: int) -> str:
        """The text of the row at `place`."""
        if self._spans is None:
            starts, stops = records(self._block.content, self._block.format.delimiter)
            self._spans = list(zip(starts.tolist(), stops.tolist(), strict=True))
        start, stop = self._spans[int(self._good[place])]
        return self._block.content[start:stop].decode(errors="backslashreplace")

    def line(self, place: int) -> int:
        """The number of its first line in the file."""
        if self._lines is None:
            starts, _ = records(self._block.content, self._block.format.delimiter)
            self._lines = lines_before(self._block.content, starts).tolist()
        return self._block.place.line + self._lines[int(self._good[place])]


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read(content: bytes, form: CsvFormat, kinds: Mapping[str, pa.DataType], decimal: str) -> dict[str, pa.Array]:
    """Columns of whole records, by Arrow: each of its kind, with nulls for missing numbers."""
    # Arrow takes no columns for all of them.
    included = list(kinds) or list(form.names[:1])
    if not content.strip(b"\r\n"):
        return {name: pa.array([], kind) for name, kind in kinds.items()}
    has_quotes = b'"' in content
    table = pa.csv.read_csv(
        pa.BufferReader(content),
        # All of it is one block, so that no line lies across two.
        pa.csv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=form.names),
        pa.csv.ParseOptions(
            delimiter=form.delimiter, quote_char='"' if has_quotes else False, newlines_in_values=has_quotes
        ),
        # Arrow would guess types, take codes such as 007 for numbers, and some strings for times.
        pa.csv.ConvertOptions(
            column_types=dict(kinds) or {name: pa.string() for name in included},
            include_columns=included,
            null_values=MISSING,
            strings_can_be_null=False,
            decimal_point=decimal,
        ),
    )
    columns = {name: table.column(place).combine_chunks() for place, name in enumerate(included)}
    return {
        name: column.chunk(0) if isinstance(column, pa.ChunkedArray) else column for name, column in columns.items()
    }
