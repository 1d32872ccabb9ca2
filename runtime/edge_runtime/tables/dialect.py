"""How a text file writes a table: found from its beginning, or as the user says."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from edge_runtime.contract.csv_cells import csv_cells
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.terminal import printable
from edge_runtime.contract.values import is_number

# In this order, if two separate the columns equally well.
_DELIMITERS = (",", "\t", ";", "|")
_LOOKED_AT = 200  # records
_COMMA_NUMBER = re.compile(r"[-+]?(?:\d+|\d{1,3}(?:[. ']\d{3})+),(\d+)")
# Such as 1,234 and 12,345,678: with a comma between thousands.
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+")
# Such as 1.234, which may be one with a point between thousands.
_POINT_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")


@dataclass(frozen=True)
class Dialect:
    """How a text file writes a table.

    Attributes:
        encoding: by the name of Python's codec; utf-8 with or without a byte order mark.
        delimiter: the character between cells; None in JSON.
        decimal: the decimal mark of most numbers, "." or ",".
    """

    encoding: str = "utf-8"
    delimiter: str | None = ","
    decimal: str = "."


def checked_delimiter(delimiter: str) -> str:
    """A delimiter as a user gives it: one character, or its name.

    Raises:
        InvalidInput: it cannot be one.
    """
    found = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}.get(
        delimiter, delimiter
    )
    if len(found) != 1 or not found.isascii() or found in '"\n\r\0' or found.isalnum():
        raise InvalidInput(
            f"{printable(delimiter)!r} cannot separate columns; give one character such as ';', or tab, space or pipe"
        )
    return found


def checked_decimal(decimal: str) -> str:
    """A decimal mark as a user gives it.

    Raises:
        InvalidInput: it is neither a point nor a comma.
    """
    found = {"comma": ",", "point": ".", "dot": "."}.get(decimal, decimal)
    if found not in (".", ","):
        raise InvalidInput(f"{printable(decimal)!r} is not a decimal mark; give . or , (or point or comma)")
    return found


def find_delimiter(lines: Sequence[str], name: str, limits: Limits) -> str:
    """The character that separates the columns of a file whose text begins with `lines`.

    It is the one that makes most columns of the first line, and as many of the others.
    """
    preferred = "\t" if re.search(r"\.(tsv|tab)(\.[a-z0-9]+)?$", name.lower()) else ","
    best, best_score = preferred, (0.0, 0, False)
    for delimiter in _DELIMITERS:
        records = list(_records(lines, delimiter, limits))
        width = len(records[0]) if records else 0
        if width < 2:
            continue
        alike = sum(len(record) == width for record in records) / len(records)
        score = (alike if alike < 0.9 else 1.0, width, delimiter == preferred)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def find_decimal(lines: Sequence[str], delimiter: str, limits: Limits) -> str:
    """The decimal mark of the numbers in a file whose text begins with `lines`.

    It is a comma, if there are numbers with one, and none with a point. 1,234 is one with a comma only where others
    are, or if commas do not separate the columns.
    """
    commas = 0
    for record in _records(lines, delimiter, limits):
        for cell in map(str.strip, record):
            if "," in cell and _COMMA_NUMBER.fullmatch(cell.strip("€$£% ")):
                is_doubtful = delimiter == "," and _THOUSANDS.fullmatch(cell) is not None
                commas += not is_doubtful
            elif cell.count(".") == 1 and is_number(cell.replace(",", "")) and not _POINT_THOUSANDS.fullmatch(cell):
                return "."
    return "," if commas else "."


def _records(lines: Sequence[str], delimiter: str, limits: Limits) -> Iterator[list[str]]:
    """The first records, as far as they are CSV."""
    try:
        cells: Iterable[list[str]] = (
            found for _, found in csv_cells(lines, delimiter, "", InvalidInput, limits) if found
        )
        yield from islice(cells, _LOOKED_AT)
    except InvalidInput:
        return
