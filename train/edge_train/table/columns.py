"""What the columns of a table hold: numbers, booleans or categories, as found or as the user says."""

import collections
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.signature import Kind
from edge_runtime.contract.terminal import suggestion
from edge_train.errors import TableError
from edge_train.table.raw_column import RawColumn

_LONGEST_LIST = 300  # characters of names in a message


@dataclass(frozen=True)
class Column:
    """One column of a table, ready to learn from.

    Attributes:
        name: the name in the header.
        kind: what it holds.
        values: shape (rows,). Of the numeric and boolean kinds float32, NaN being a missing value, true 1 and false 0;
            of the categorical kind int32, places in `categories`, -1 being a missing value.
        categories: sorted, all strings or all integers; empty for other kinds.
    """

    name: str
    kind: Kind
    values: npt.NDArray[Any]
    categories: tuple[str, ...] | tuple[int, ...] = ()

    def __repr__(self) -> str:
        counts = f"{len(self.values):,} rows, {self.missing.sum():,} missing"
        categories = f", {len(self.categories):,} categories" if self.categories else ""
        return f"Column({self.name!r}, {self.kind}, {counts}{categories})"

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which rows have no value, shape (rows,)."""
        return np.isnan(self.values) if self.kind != "categorical" else self.values < 0


@dataclass(frozen=True)
class DroppedColumn:
    """A column that nothing is learned from, and the reason."""

    name: str
    reason: str


def find_columns(
    table: pa.Table, path: object, numeric: Collection[str] = (), categorical: Collection[str] = ()
) -> list[Column | DroppedColumn]:
    """The columns of `table`, each as what it holds.

    Args:
        table: as `read_table` returns it, without the target. If nothing else refers to it, each column's memory is
            freed once the column is converted.
        path: what messages call the table.
        numeric: the columns to take as numbers, even if they look like something else.
        categorical: the columns to take as categories, likewise.

    Raises:
        TableError: a column of numbers has a cell that is not a finite number that float32 holds, or a column cannot be
            what `numeric` or `categorical` says; the message names the row.
    """
    found: list[Column | DroppedColumn] = []
    columns = collections.deque(zip(table.column_names, table.columns, strict=True))
    del table
    while columns:
        name, cells = columns.popleft()
        raw = RawColumn(name, cells, path)
        del cells
        if name in categorical:
            found.append(_converted(raw, "categorical"))
        elif name in numeric:
            found.append(_converted(raw, "numeric"))
        else:
            found.append(_detected(raw))
    return found


def no_such_column(path: object, name: str, names: Sequence[str]) -> TableError:
    """The error for a `name` that is not among the columns `names` of the table at `path`."""
    known = suggestion(name, names) or f"; its columns are {shorten(', '.join(names), _LONGEST_LIST)}"
    return TableError(f"{path} has no column {name!r}{known}")


def _detected(raw: RawColumn) -> Column | DroppedColumn:
    if raw.reason_to_drop is not None:
        return DroppedColumn(raw.name, raw.reason_to_drop)
    column = _converted(raw, "boolean" if raw.is_boolean else "numeric" if raw.is_numeric else "categorical")
    if not raw.missing_count and (column.values == column.values[0]).all():
        return DroppedColumn(raw.name, "the same value in every row")
    return column


def _converted(raw: RawColumn, kind: Kind) -> Column:
    if kind == "categorical":
        return Column(raw.name, kind, *raw.categories())
    return Column(raw.name, kind, raw.booleans() if kind == "boolean" else raw.numbers())
