"""The column to predict: which task it makes, its classes or values."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.signature import Label, Task
from edge_train.errors import TableError
from edge_train.table.columns import Cells

# Integers of up to so many different values are classes, if no `task` says otherwise.
_MOST_CLASSES = 20
# One row of each class to train, to validate, to test.
_FEWEST_ROWS = 3


Question = Literal["classification", "regression"]


@dataclass(frozen=True)
class Target:
    """What is to be predicted of each row.

    Attributes:
        name: the column's name.
        task: the kind of question.
        values: shape (rows,); of two classes float32, 1.0 for `labels[1]`; of more int64 places in `labels`; float32
            values in regression.
        rows: where in the table these rows are, shape (rows,); the others have no value.
        labels: the classes in their order, all integers, floats, truth values or texts; none in regression.
    """

    name: str
    task: Task
    values: npt.NDArray[Any]
    rows: npt.NDArray[np.intp]
    labels: tuple[Label, ...] = ()


def find_target(table: pa.Table, name: str, path: object, question: Question | None = None) -> Target:
    """The column `name` of `table` as what is to be predicted, of the rows that have it.

    Truth values, texts, two different numbers, and few different integers of which each is there several times are
    classes; other numbers are values.

    Args:
        table: as `read_table` gives it.
        name: the column.
        path: what to call the table in messages.
        question: what it is, whatever it looks like.

    Raises:
        TableError: there is no such column, it has one class or one value alone, or cells that are no numbers where
            numbers are needed.
    """
    if name not in table.column_names:
        raise TableError(f"{path} has no column {name!r}; its columns are {', '.join(table.column_names)}")
    cells = Cells(name, table[name], path, "say that they are classes with --task classification")
    kind = cells.cells.type
    if cells.gaps == table.num_rows:
        raise TableError(f"{path}: {name} has no value in any row; nothing can be learned")
    if not (cells.holds_strings or pa.types.is_boolean(kind) or pa.types.is_integer(kind) or cells.is_numeric):
        raise TableError(f"{path}: {name} holds {kind}, which cannot be predicted; make numbers or texts of it")
    numbers = cells.numbers().values if question == "regression" or (question is None and cells.is_numeric) else None
    if numbers is not None and (question == "regression" or _are_values(numbers)):
        rows = np.flatnonzero(~np.isnan(numbers))
        values = numbers[rows]
        if (values == values[0]).all():
            raise TableError(f"{path}: {name} is {values[0]:g} in every row; there is nothing to learn")
        return Target(name, "regression", values, rows)
    column = cells.categories()
    rows = np.flatnonzero(~column.gaps)
    found = _labels(column.words, cells)
    # Numbers are in another order than their texts.
    order = sorted(range(len(found)), key=found.__getitem__)
    labels = tuple(found[place] for place in order)
    places = np.argsort(order)[column.values[rows]]
    if len(labels) < 2:
        gaps = f" that has one ({cells.gaps:,} rows are gaps, as NA is)" if cells.gaps else ""
        raise TableError(f"{path}: {name} is {labels[0]} in every row{gaps}; two classes are needed")
    if broken := [label for label in labels if isinstance(label, str) and len(label.splitlines()) > 1]:
        raise TableError(
            f"{path}: {name} has a class with a line break in it, {broken[0]!r}; a class is one line of text"
        )
    if len(labels) == 2:
        return Target(name, "binary_classification", places.astype(np.float32), rows, labels)
    return Target(name, "multiclass_classification", places.astype(np.int64), rows, labels)


def _are_values(numbers: npt.NDArray[np.float32]) -> bool:
    """Whether numbers are values, not classes."""
    found, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    if len(found) == 2:
        return False
    whole = bool((found == np.floor(found)).all())
    return not whole or len(found) > _MOST_CLASSES or bool(counts.min() < _FEWEST_ROWS)


def _labels(words: tuple[str, ...] | tuple[int, ...], cells: Cells) -> tuple[Label, ...]:
    """The classes in the order of `words`, as truth values or floats if they are such in the table."""
    if pa.types.is_boolean(cells.cells.type):
        return tuple(word == "true" for word in words)
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return words
    if pa.types.is_integer(cells.cells.type) or not np.isfinite(numbers).all():
        return words
    return tuple(numbers) if not cells.holds_strings or [str(number) for number in numbers] == list(words) else words
