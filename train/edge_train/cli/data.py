"""From the options to the rows: which table, which of its columns, which target."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Literal

import pyarrow as pa

from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.progress import Progress
from edge_runtime.contract.terminal import printable
from edge_train.cli.summary import column_lines, described, dropped_lines, size_line, target_line, warning_lines
from edge_train.dataset import Dataset, TableDescription
from edge_train.errors import TableError
from edge_train.loop import torchrun
from edge_train.loop.settings import learns_all_rows
from edge_train.table.columns import Column, DroppedColumn, find_columns, no_such_column
from edge_train.table.files import read_table
from edge_train.table.target import Target, TargetKind, find_target

_LONGEST_REASONS = 300  # characters


@dataclass(frozen=True)
class TableOptions:
    """Which table to learn from, and what its columns are.

    Attributes:
        path: the file.
        target: the column to predict.
        task: what the target holds; None to find it from its values.
        class_weight: "balanced" if all classes are to have the same weight.
        numeric: columns of numbers, each a name or several names separated by commas.
        categorical: columns of categories, likewise.
        date: columns of dates, likewise.
        date_order: the order of day and month of dates where nothing in a column tells.
        drop: columns to drop, likewise.
        limits: how much may be read of the file.
        encoding: of the table's text; None to find it.
        delimiter: the character between its columns; None to find it.
        decimal: its decimal mark; None to find it.
        has_threshold: whether there is to be a threshold, which two classes have.
    """

    path: Path
    target: str
    task: TargetKind | None = None
    class_weight: Literal["balanced"] | None = None
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    date: Sequence[str] = ()
    date_order: Literal["dmy", "mdy"] | None = None
    drop: Sequence[str] = ()
    limits: Limits = DEFAULTS
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    has_threshold: bool = False


def example_dataset(seed: int) -> Dataset:
    """The four blobs of the example; prints how many there are."""
    from edge_train.example import four_blobs  # scikit-learn takes a second to import

    dataset = four_blobs(seed)
    _print(size_line(dataset))
    return dataset


def table_dataset(options: TableOptions, seed: int) -> Dataset:
    """The rows of a table; prints what was found in its columns.

    Args:
        options: the table and its columns.
        seed: the seed of the split.

    Raises:
        TableError: the table or an option is wrong.
    """
    path = options.path
    if sys.platform == "linux":
        # Memory that is freed goes back to the system, and does not stay with Arrow.
        pa.set_memory_pool(pa.system_memory_pool())
    with Progress(f"reading {printable(path)}") if torchrun.rank() == 0 else contextlib.nullcontext():
        found, target, rows = _read(options)
    columns = [column for column in found if isinstance(column, Column)]
    if torchrun.rank() == 0:
        for line in warning_lines(found):
            print(line, file=sys.stderr)
    if not columns:
        reasons = "; ".join(f"{column.name}: {column.reason}" for column in found if isinstance(column, DroppedColumn))
        raise TableError(
            f"{path}: no column is left to learn from"
            + (
                f" ({shorten(reasons, _LONGEST_REASONS)}); take some with --numeric, --categorical or --date"
                if reasons
                else ""
            )
        )
    described_columns = tuple(map(described, found))
    _print(*column_lines(described_columns), target_line(target))
    from edge_train.table.split import split  # scikit-learn takes a second to import

    dataset = split(columns, target, seed, known_from_all=learns_all_rows(len(target.rows)))
    dropped = dropped_lines(dataset, columns, target, rows)
    _print(*dropped, size_line(dataset))
    return replace(
        dataset, description=TableDescription(path.name, target.name, rows, described_columns, tuple(dropped))
    )


def _read(options: TableOptions) -> tuple[list[Column | DroppedColumn], Target, int]:
    """The columns of the table but the target, the target, and how many rows the table has."""
    path = options.path
    table = read_table(
        path,
        options.limits,
        encoding=options.encoding,
        delimiter=options.delimiter,
        decimal=options.decimal,
        text=_text_columns(options),
    )
    names, rows = table.column_names, table.num_rows
    given = {
        "--numeric": options.numeric,
        "--categorical": options.categorical,
        "--date": options.date,
        "--drop": options.drop,
    }
    chosen = {option: _column_names(words, names, path) for option, words in given.items()}
    _check_contradictions(chosen, options.target)
    target = find_target(table, options.target, path, options.task, decimal=options.decimal)
    if options.class_weight is not None and target.task == "regression":
        raise TableError(f"--class-weight is for classes; if {target.name} holds classes, add --task classification")
    if options.has_threshold and len(target.labels) != 2:
        found = f"{len(target.labels)} classes" if target.labels else "values"
        raise TableError(f"--threshold is for two classes, and {target.name} holds {found}; remove --threshold")
    # No other reference stays, so that the memory of each column is freed once it is converted.
    only_reference = [table.drop_columns([*chosen["--drop"], options.target])]
    del table
    # By names: a tuple of arguments would be a reference too.
    columns = find_columns(
        only_reference.pop(),
        path,
        numeric=chosen["--numeric"],
        categorical=chosen["--categorical"],
        dates=chosen["--date"],
        decimal=options.decimal,
        date_order=options.date_order,
    )
    return columns, target, rows


def _text_columns(options: TableOptions) -> set[str]:
    """What may be names of columns whose spelling counts: as categories, 1.10 and 1.1 are two.

    In dates it counts for the message about a cell that is not one.
    """
    words = [*options.categorical, *options.date]
    parts = [part.strip() for word in words for part in word.split(",")]
    return {*words, *parts, *([options.target] if options.task == "classification" else [])}


def _column_names(words: Sequence[str], names: Sequence[str], path: Path) -> list[str]:
    """The columns that the words of an option name: each is a name, or several separated by commas."""
    columns = [part.strip() for word in words for part in ([word] if word in names else word.split(","))]
    for column in filter(None, columns):
        if column not in names:
            raise no_such_column(path, column, names)
    return list(dict.fromkeys(filter(None, columns)))


def _check_contradictions(chosen: Mapping[str, Sequence[str]], target: str) -> None:
    for option, columns in chosen.items():
        if target in columns:
            raise TableError(f"{target} is the target, which {option} cannot name; remove it from {option}")
        for other, others in chosen.items():
            if option < other and (both := [column for column in columns if column in others]):
                raise TableError(f"{option} and {other} both name {both[0]}; remove it from one of them")


def _print(*lines: str) -> None:
    if torchrun.rank() == 0:
        print(*lines, sep="\n", flush=True)
