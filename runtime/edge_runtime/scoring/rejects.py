"""Rows that cannot be answered: why, and as lines of a file."""

from collections.abc import Iterable
from dataclasses import dataclass

from edge_runtime.csv_answers import csv_lines

HEADER = csv_lines([["row", "column", "reason", "record"]]).encode()


@dataclass(frozen=True)
class Rejected:
    """A row that is not answered.

    Attributes:
        row: its number in the source, from 1; a header is not a row.
        line: the number of its first line in its file, from 1; None in formats without lines.
        column: the column whose value is refused, the first one; empty if the record is not a row at all.
        reason: why.
        record: the row itself, as it stands in the file.
        name: the name of its file.
    """

    row: int
    line: int | None
    column: str
    reason: str
    record: str
    name: str

    def __str__(self) -> str:
        """It in one line: rows.csv line 3: mass: 'x' is not a number."""
        place = f"row {self.row}" if self.line is None else f"line {self.line}"
        return f"{self.name} {place}: {f'{self.column}: ' if self.column else ''}{self.reason}"


def rejects_lines(rejected: Iterable[Rejected]) -> bytes:
    """Rejected rows as lines of CSV, below `HEADER`."""
    cells = [[one.row, one.column, one.reason, one.record] for one in rejected]
    # Half a character, which JSON can hold, is in no file.
    return csv_lines(cells).encode(errors="backslashreplace") if cells else b""
