"""The column to predict: which task it makes, its classes or values."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Task
from edge_train.errors import TableError
from edge_train.table import conversions
from edge_train.table.columns import decimal_mark, no_such_column
from edge_train.table.raw_column import RawColumn

# Up to so many different integers are classes, unless the user says what they are.
_MOST_CLASSES = 20
# Less often, a number may be a value that happens to be whole.
_FEWEST_ROWS = 3

TargetKind = Literal["classification", "regression"]


@dataclass(frozen=True)
class Target:
    """What is to be predicted of each row.

    Attributes:
        name: the column's name.
        task: what kind of prediction it is.
        values: shape (rows,); of two classes float32, 1.0 for `labels[1]` and 0.0 for `labels[0]`; of more int64,
            places in `labels`; in regression float32, the values.
        rows: places of these rows in the table, shape (rows,); the table's other rows have no target.
        labels: the classes, sorted: all integers, all floats, all booleans or all strings; none in regression.
    """

    name: str
    task: Task
    values: npt.NDArray[Any]
    rows: npt.NDArray[np.intp]
    labels: tuple[Label, ...] = ()

    def __repr__(self) -> str:
        classes = f", {len(self.labels):,} classes" if self.labels else ""
        return f"Target({self.name!r}, {self.task}, {len(self.rows):,} rows{classes})"


def find_target(
    table: pa.Table, name: str, path: object, kind: TargetKind | None = None, *, decimal: str | None = None
) -> Target:
    """The column `name` of `table` as the target, for the rows that have a value.

    Booleans, strings, two different numbers, and few different integers with several rows each are classes; other
    numbers are values.

    Args:
        table: as `read_table` returns it.
        name: the column's name.
        path: what messages call the table.
        kind: what the target holds; None to find it from its values.
        decimal: the decimal mark of numbers in text, as for `find_columns`.

    Raises:
        TableError: the table does not have the column, it has only one class or value, or it should hold numbers and
            has a cell that is not a number.
    """
    if name not in table.column_names:
        raise no_such_column(path, name, table.column_names)
    raw = RawColumn(name, table[name], path, is_target=True, decimal=decimal or decimal_mark(table))
    cell_type = raw.cells.type
    if raw.missing_count == table.num_rows:
        raise TableError(f"{path}: {name} has no value in any row, so nothing can be learned")
    if not (raw.holds_strings or pa.types.is_boolean(cell_type) or raw.is_numeric):
        raise TableError(f"{path}: {name} holds {cell_type}, which cannot be predicted; make it numbers or strings")
    if kind == "regression" or (kind is None and raw.is_numeric):
        numbers = conversions.numbers(raw)
        if kind == "regression" or _are_values(numbers):
            return _values(name, numbers, path)
    return _classes(name, raw, path)


def _values(name: str, numbers: npt.NDArray[np.float32], path: object) -> Target:
    rows = np.flatnonzero(~np.isnan(numbers))
    values = numbers[rows]
    if (values == values[0]).all():
        raise TableError(f"{path}: {name} is {values[0]:g} in every row, so there is nothing to learn")
    return Target(name, "regression", values, rows)


def _classes(name: str, raw: RawColumn, path: object) -> Target:
    category_places, categories = conversions.categories(raw)
    rows = np.flatnonzero(category_places >= 0)
    found = _labels(categories, raw)
    # Numbers are in another order than their strings.
    order = sorted(range(len(found)), key=found.__getitem__)
    labels = tuple(found[place] for place in order)
    if len(labels) < 2:
        missing = f" that has a value ({raw.missing_count:,} are missing)" if raw.missing_count else ""
        raise TableError(f"{path}: {name} is {labels[0]} in every row{missing}; two classes are needed")
    if broken := [label for label in labels if isinstance(label, str) and len(label.splitlines()) > 1]:
        raise TableError(f"{path}: {name} has the class {broken[0]!r}; a class must be one line of text")
    places = np.argsort(order)[category_places[rows]]
    if len(labels) == 2:
        return Target(name, "binary_classification", places.astype(np.float32), rows, labels)
    return Target(name, "multiclass_classification", places.astype(np.int64), rows, labels)


def _are_values(numbers: npt.NDArray[np.float32]) -> bool:
    """Whether numbers are values rather than classes."""
    found, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    if len(found) == 2:
        return False
    are_whole = bool((found == np.floor(found)).all())
    return not are_whole or len(found) > _MOST_CLASSES or bool(counts.min() < _FEWEST_ROWS)


def _labels(categories: tuple[str, ...] | tuple[int, ...], raw: RawColumn) -> tuple[Label, ...]:
    """The classes in the order of `categories`; as booleans or floats if they are that in the table."""
    if pa.types.is_boolean(raw.cells.type):
        return tuple(category == "true" for category in categories)
    try:
        numbers = [float(category) for category in categories]
    except ValueError:
        return categories
    if pa.types.is_integer(raw.cells.type) or not np.isfinite(numbers).all():
        return categories
    is_exact = not raw.holds_strings or [str(number) for number in numbers] == list(categories)
    return tuple(numbers) if is_exact else categories
