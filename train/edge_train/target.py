"""The column to predict: which task it makes, its classes or values."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.signature import Label, Task
from edge_train.columns import Cells
from edge_train.errors import TableError

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
        labels: the classes in their order, all integers, floats, truth values or texts; none in regression.
    """

    name: str
    task: Task
    values: npt.NDArray[Any]
    labels: tuple[Label, ...] = ()


def find_target(table: pa.Table, name: str, path: object, question: Question | None = None) -> tuple[pa.Table, Target]:
    """The column `name` as what is to be predicted, and the rows of `table` that have it, without that column.

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
        hint = " (columns are separated by commas, in .tsv files by tabs)" if table.num_columns == 1 else ""
        raise TableError(f"{path} has no column {name!r}; its columns are {', '.join(table.column_names)}{hint}")
    cells = Cells(name, table[name], path)
    if cells.gaps == table.num_rows:
        raise TableError(f"{path}: {name} has no value in any row; nothing can be learned")
    known = pc.is_valid(cells.cells)
    if pa.types.is_floating(cells.cells.type):
        known = pc.and_(known, pc.invert(pc.is_nan(cells.cells)))
    rows = table.filter(known) if cells.gaps else table
    target = _target(Cells(name, rows[name], path), name, path, question)
    return rows.drop_columns([name]), target


def _target(cells: Cells, name: str, path: object, question: Question | None) -> Target:
    if question == "regression" or (question is None and cells.is_numeric and _are_values(cells)):
        numbers = cells.numbers().values
        if (numbers == numbers[0]).all():
            raise TableError(f"{path}: {name} is {numbers[0]:g} in every row; there is nothing to learn")
        return Target(name, "regression", numbers)
    if cells.is_text or pa.types.is_integer(cells.cells.type):
        column = cells.categories()
        labels, places = _typed(column.words), column.values
    else:
        encoded, places = np.unique(cells.cells.to_numpy(), return_inverse=True)
        labels = tuple(encoded.tolist())
    if len(labels) < 2:
        raise TableError(f"{path}: {name} is {labels[0]} in every row; two classes are needed")
    if broken := [label for label in labels if isinstance(label, str) and len(label.splitlines()) > 1]:
        raise TableError(
            f"{path}: {name} has a class with a line break in it, {broken[0]!r}; a class is one line of text"
        )
    if len(labels) == 2:
        return Target(name, "binary_classification", places.astype(np.float32), labels)
    return Target(name, "multiclass_classification", places.astype(np.int64), labels)


def _are_values(cells: Cells) -> bool:
    """Whether numbers are values, not classes."""
    found, counts = np.unique(cells.numbers().values, return_counts=True)
    if len(found) == 2:
        return False
    whole = bool((found == np.floor(found)).all())
    return not whole or len(found) > _MOST_CLASSES or bool(counts.min() < _FEWEST_ROWS)


def _typed(words: tuple[str, ...] | tuple[int, ...]) -> tuple[Label, ...]:
    """The classes as floats if each of them gives the same text back, else as they are."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return words
    return (
        tuple(numbers) if [str(number) for number in numbers] == list(words) and np.isfinite(numbers).all() else words
    )
