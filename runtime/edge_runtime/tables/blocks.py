"""What reading a table gives: blocks of rows, where they are, and what in them is not a row."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class Place:
    """Where a block begins; reading can go on from there in another process.

    Attributes:
        file: which of the table's files it is in.
        position: of text, the bytes before it, once the text is unpacked and in UTF-8, without a byte order mark; of
            other formats the rows of the file before it.
        row: the number of its first row in the table, from 1; a header is not a row, and a record that cannot be read
            is one.
        line: the number of its first line in its file, from 1; of formats without lines 0.
    """

    file: int = 0
    position: int = 0
    row: int = 1
    line: int = 0


@dataclass(frozen=True)
class Fault:
    """A record that is not a row.

    Attributes:
        row: its number in the table, from 1.
        line: the number of its first line in its file, from 1; None in formats without lines.
        reason: what is wrong with it.
        record: its text.
        name: the name of its file.
    """

    row: int
    line: int | None
    reason: str
    record: str
    name: str


@dataclass(frozen=True)
class Parsed:
    """The rows of a block.

    Attributes:
        batch: the columns that were asked for and that the file has.
        rows: the number in the table of each row of the batch, int64, shape (rows,).
        faults: the records that are not rows.
        record: gives the text of a row of the batch, by its place in it: the lines of CSV or JSON, or an object of
            JSON with the columns that were read.
        line: gives the number of its first line in its file, from 1; None in formats without lines.
    """

    batch: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    faults: list[Fault]
    record: Callable[[int], str]
    line: Callable[[int], int] | None = None


def row_text(batch: pa.RecordBatch, place: int) -> str:
    """A row of a record batch as an object of JSON."""
    part = batch.slice(place, 1)
    row = {name: _shown(column) for name, column in zip(part.schema.names, part.columns, strict=True)}
    return json.dumps(row, ensure_ascii=False, default=str)


def _shown(column: pa.Array) -> Any:
    """The only value of a column, or its text if Python has no such value, such as a date before the year 1."""
    try:
        return column[0].as_py()
    except UnicodeDecodeError:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return column[0].as_buffer().to_pybytes().decode(errors="backslashreplace")
    except (ArithmeticError, ValueError, LookupError, pa.ArrowException):
        pass
    return column.to_string(skip_new_lines=True)[1:-1]


class Block(Protocol):
    """Consecutive rows of a file. Blocks may be parsed in other threads, in any order.

    Attributes:
        place: where it begins.
        end: where the next one begins, so that it has `end.row - place.row` rows, faults among them.
        read: how many bytes of the table's files on the disk have been read once it is.
    """

    place: Place
    end: Place
    read: int

    @property
    def name(self) -> str:
        """The name of its file."""
        ...

    def parse(self, types: Mapping[str, pa.DataType] | None = None, decimal: str = ".") -> Parsed:
        """The columns of its rows.

        Args:
            types: the columns that are wanted. Of text, one as float64 is float64 if all of its cells are plain
                numbers, which `contract.values.parse_number` takes, or missing values, which are null; else, as all
                that are wanted as strings, it has the strings in the file without white space around them, those for
                missing values too. Columns of JSON that are wanted as float64 or string, and hold something else, and
                columns of other formats, are of the types that they have. By default all columns, those of CSV as
                strings.
            decimal: the decimal mark of plain numbers in CSV.
        """
        ...
