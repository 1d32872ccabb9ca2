"""Record batches as lines: CSV, JSON Lines, and text for people."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pyarrow.compute as pc

from edge_runtime.contract.terminal import json_string, printable
from edge_runtime.scoring.text_columns import csv_cells, joined, json_values
from edge_runtime.tables.arrow_arrays import of_strings

# Text of a block stays below what 32 bits count, in which Arrow keeps its places.
_MOST_BYTES = 256 * 1024 * 1024


class CsvLines:
    """Record batches as CSV."""

    def __init__(
        self, names: Sequence[str], delimiter: str = ",", is_shown: bool = False, either: int | None = None
    ) -> None:
        """Write columns with these names.

        Args:
            names: the columns.
            delimiter: the character between cells.
            is_shown: as `csv_cells`.
            either: the place of a column whose numbers are in each row those of one of the next two columns.
        """
        self._delimiter, self._is_shown, self._either = delimiter, is_shown, either
        self.header = bytes(joined(*self._between([self._cells(of_strings([name])) for name in names])))

    def of(self, batch: Any) -> memoryview:
        """The lines of a record batch."""
        return in_parts(batch, lambda part: self._joined(part.columns))

    def _joined(self, columns: Sequence[Any]) -> memoryview:
        cells = [None if place == self._either else self._cells(column) for place, column in enumerate(columns)]
        if (place := self._either) is not None:
            # Text is slow to make, and the same number has the same.
            is_second = pc.fill_null(pc.equal(columns[place], columns[place + 2]), False)
            cells[place] = pc.if_else(is_second, cells[place + 2], cells[place + 1])
        return joined(*self._between(cells))

    def _cells(self, column: Any) -> Any:
        return csv_cells(column, self._delimiter, self._is_shown)

    def _between(self, cells: Sequence[Any]) -> list[Any]:
        parts = [part for column in cells for part in (column, self._delimiter)]
        return [*parts[:-1], "\n"]


class JsonLines:
    """Record batches as JSON Lines."""

    def __init__(self, names: Sequence[str], raw: Collection[str] = ()) -> None:
        """Write columns with these names; those of `raw` hold JSON already."""
        self._literals = [f"{', ' if place else '{'}{json_string(name)}: " for place, name in enumerate(names)]
        self._raw = [name in raw for name in names]

    def of(self, batch: Any) -> memoryview:
        """The lines of a record batch."""
        return in_parts(batch, self._joined)

    def _joined(self, batch: Any) -> memoryview:
        parts: list[Any] = []
        for literal, is_raw, column in zip(self._literals, self._raw, batch.columns, strict=True):
            parts += [literal, column if is_raw else json_values(column)]
        return joined(*parts, "}\n")


class TextLines:
    """Record batches as text for people, one value after the other: `label 1  probability 0.9927`."""

    def __init__(self, names: Sequence[str], hidden: Collection[str] = ()) -> None:
        """Write columns with these names, but for those of `hidden`. Of `next` and `unseen` the value may be empty."""
        self._names = [name for name in names if name not in hidden]

    def of(self, batch: Any) -> memoryview:
        """The lines of a record batch."""
        columns = [
            [f"{name}{text}" if (text := _for_people(name, value)) else "" for value in batch[name].to_pylist()]
            for name in self._names
        ]
        lines = (printable("  ".join(filter(None, cells))) for cells in zip(*columns, strict=True))
        return memoryview("".join(f"{line}\n" for line in lines).encode())


def _for_people(name: str, value: Any) -> str:
    if name == "unseen":
        return f": {value}" if value else ""
    if not isinstance(value, float):
        return f" {value}" if value not in (None, "") else ""
    return f" {value:.4f}" if name == "probability" else f" {value:.6g}"


def in_parts(batch: Any, lines: Callable[[Any], memoryview]) -> memoryview:
    """The lines of a record batch of any size."""
    if batch.nbytes <= _MOST_BYTES or batch.num_rows == 1:
        return lines(batch)
    half = batch.num_rows // 2
    return memoryview(bytes(in_parts(batch.slice(0, half), lines)) + bytes(in_parts(batch.slice(half), lines)))
