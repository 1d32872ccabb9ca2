"""A table of numbers with one column to predict, from a CSV file."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import InvalidInput
from edge_runtime.rows import parse_number, reading_text
from edge_train.errors import TableError

_FEWEST_STEPS = 1000


@dataclass(frozen=True)
class Table:
    """A table as it stands in the file.

    Attributes:
        rows: the features, shape (rows, features), float32, finite.
        feature_names: the columns of `rows`.
        target: the class of each row, shape (rows,): integers, floats or text, whatever all of them can be.
        target_name: the column that `target` came from.
    """

    rows: npt.NDArray[np.float32]
    feature_names: tuple[str, ...]
    target: npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.str_]
    target_name: str


def read_table(path: Path, target: str) -> Table:
    """The table in the CSV file `path`, whose first line names the columns.

    Raises:
        TableError: it cannot be read, the header or a line is not as it should be, there is no column `target`, or a
            feature is not a finite number that float32 holds; the message names the line and the column.
    """
    rows: list[list[float]] = []
    classes: list[str] = []
    try:
        with reading_text(path, TableError), path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            header = [name.strip() for name in next(reader, [])]
            column = _target_column(header, target, path)
            names = (*header[:column], *header[column + 1 :])
            for cells in reader:
                if not cells:
                    continue
                where = f"{path} line {reader.line_num}"
                if len(cells) != len(header):
                    raise TableError(f"{where}: {len(cells)} values, but the header has {len(header)} columns")
                label = cells.pop(column).strip()
                if not label:
                    raise TableError(f"{where}: {target} is empty; fill it in or remove the row")
                if len(label.splitlines()) > 1:
                    raise TableError(f"{where}: {target} has a line break in it; a class is one line of text")
                classes.append(label)
                rows.append([_number(cell, name, where) for cell, name in zip(cells, names, strict=True)])
    except csv.Error as error:
        raise TableError(f"{path} line {reader.line_num}: not CSV: {error}") from error
    if not rows:
        raise TableError(f"{path} has a header but no rows")
    wide = np.array(rows, dtype=np.float64)
    _check_resolution(wide, names, path)
    return Table(wide.astype(np.float32), names, _typed(classes), target)


def _check_resolution(rows: npt.NDArray[np.float64], names: tuple[str, ...], path: Path) -> None:
    """Refuse a column in which float32 tells hardly any values apart, such as seconds since 1970 within a minute."""
    for name, values in zip(names, rows.T, strict=True):
        steps = np.ptp(values) / np.spacing(np.float32(np.abs(values).max()))
        if steps < _FEWEST_STEPS and len(np.unique(values)) > len(np.unique(values.astype(np.float32))):
            raise TableError(
                f"{path}: {name} runs from {values.min():.10g} to {values.max():.10g}, and float32 cannot tell its "
                "values apart; subtract a constant from the column"
            )


def _target_column(header: list[str], target: str, path: Path) -> int:
    if not header:
        raise TableError(f"{path} is empty; a header line with the names of the columns is needed")
    if target not in header:
        hint = " (columns are separated by commas)" if len(header) == 1 else ""
        raise TableError(f"{path} has no column {target!r}; its columns are {', '.join(header)}{hint}")
    for number, name in enumerate(header, start=1):
        if not name:
            raise TableError(f"{path}: column {number} has no name in the header")
        if header.count(name) > 1:
            raise TableError(f"{path}: the header names {name} more than once")
    if len(header) == 1:
        raise TableError(f"{path} has no column beside the target to learn from")
    return header.index(target)


def _number(cell: str, name: str, where: str) -> float:
    if not cell.strip():
        raise TableError(f"{where}: {name} is empty; fill it in or remove the row")
    try:
        number = parse_number(cell)
    except InvalidInput as error:
        raise TableError(f"{where}: {name}: {error}; remove the column or code it as numbers") from None
    if not math.isfinite(number):
        raise TableError(f"{where}: {name} is {cell.strip()}; a finite number is needed")
    return number


def _typed(classes: list[str]) -> npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.str_]:
    """The classes as integers or floats if each of them gives the same text back, else as text."""
    for dtype in (np.int64, np.float64):
        try:
            typed = np.array([dtype(label) for label in classes])
        except (OverflowError, ValueError):
            continue
        if typed.astype(str).tolist() == classes and np.isfinite(typed).all():
            return typed
    return np.array(classes)
