"""What was found in a table, in lines for the terminal."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_runtime.contract.category_codes import UNKNOWN
from edge_runtime.contract.dates import date_text
from edge_runtime.contract.labels import Label
from edge_runtime.contract.terminal import aligned, printable
from edge_train.cli.goals import Goal
from edge_train.dataset import ColumnDescription, Dataset
from edge_train.table.column_names import is_code
from edge_train.table.columns import Column, DroppedColumn
from edge_train.table.target import Target
from edge_train.thresholds import Imbalance

# So many different integers may be codes; or more, if the column is named like codes and each is in so many rows.
_FEW_INTEGERS, _REPEATS = 12, 2
_SHOWN_CATEGORIES, _SHOWN_CLASSES = 5, 10


def described(column: Column | DroppedColumn) -> ColumnDescription:
    """A column in words."""
    if isinstance(column, DroppedColumn):
        return ColumnDescription(column.name, "dropped", "", "", column.reason, column.warning)
    missing = f"{column.missing.mean():.1%}" if column.missing.any() else "none"
    return ColumnDescription(column.name, column.kind, column.written, missing, _values(column), column.warning)


def column_lines(columns: Sequence[ColumnDescription]) -> list[str]:
    """A table of the columns: what each is taken as, how it is written, how many values are missing, and which it has.

    Without a column of how they are written, if all of them are as programs write them.
    """
    rows = [("column", "taken as", "written", "missing", "values")]
    rows += [(one.name, one.kind, one.written, one.missing, one.values) for one in columns]
    if any(written for _, _, written, _, _ in rows[1:]):
        return aligned(rows)
    return aligned([(name, kind, missing, values) for name, kind, _, missing, values in rows])


def warning_lines(columns: Sequence[Column | DroppedColumn]) -> list[str]:
    """A warning for each column that may hold more than it is taken for, with the option that decides."""
    return [printable(f"warning: {column.warning}") for column in columns if column.warning]


def target_line(target: Target) -> str:
    """What is to be predicted: the classes and how many rows each has, or the range of the values."""
    if target.task == "regression":
        low, high = target.values.min(), target.values.max()
        found = f"values from {low:.6g} to {high:.6g} (--task classification if they are classes)"
        return printable(f"target {target.name}: {found}")
    counts = np.bincount(target.values.astype(np.int64))
    classes = [f"{label} ({count:,})" for label, count in zip(target.labels, counts, strict=True)]
    shown = ", ".join(classes[:_SHOWN_CLASSES]) + (", ..." if len(classes) > _SHOWN_CLASSES else "")
    are_numbers = not isinstance(target.labels[0], str | bool)
    advice = "; --task regression if they are values" if are_numbers and len(classes) > 2 else ""
    return printable(f"target {target.name}: {len(classes)} classes: {shown}{advice}")


def dropped_lines(dataset: Dataset, columns: Sequence[Column], target: Target, rows: int) -> list[str]:
    """What is not learned from, besides columns that hold nothing to learn from.

    Args:
        dataset: the parts of the table.
        columns: those that the parts were made of.
        target: the target.
        rows: how many rows the table has.
    """
    lines = []
    if rows > len(target.rows):
        lines.append(f"dropped {rows - len(target.rows):,} rows: {target.name} is missing")
    taken = {feature.name for feature in dataset.signature.features}
    if empty := [column.name for column in columns if column.name not in taken]:
        lines.append(f"dropped {', '.join(empty)}: no value in the training rows")
    for tensor in filter(lambda tensor: tensor.holds_strings, dataset.signature.inputs):
        unknown = np.count_nonzero(dataset.train.inputs[tensor.name] == UNKNOWN, axis=0)
        lines += [
            f"{feature.name}: categories of single rows are taken as unknown, in {count:,} training rows"
            for feature, count in zip(tensor.features, unknown, strict=True)
            if count
        ]
    return list(map(printable, lines))


def size_line(dataset: Dataset) -> str:
    """How many rows each part has, how many features a row has, and two classes' names."""
    signature = dataset.signature
    classes = ""
    if signature.task == "binary_classification":
        classes = f", classes {signature.labels[0]} and {signature.labels[1]}"
    return printable(f"{dataset.size}{classes}")


def threshold_line(goal: Goal, threshold: float, labels: tuple[Label, ...]) -> str:
    """What the threshold decides, and for costs which mistake costs what."""
    first, second = labels
    costs = ""
    if goal.kind == "cost":
        one, other = goal.numbers
        costs = f"; {first} taken for {second} costs {one:g}, {second} taken for {first} {other:g}"
    return printable(f"threshold {threshold}: {second} is predicted if its probability is above it{costs}")


def imbalance_line(found: Imbalance, labels: tuple[Label, ...]) -> str:
    """A warning that the rare class is hardly ever predicted, with the option that changes it."""
    return printable(
        f"warning: {labels[found.rare]} is {found.frequency:.1%} of the rows held out, and predicted for "
        f"{found.predicted:.1%} of them (balanced accuracy {found.balanced_accuracy:.2f}); --threshold balanced would "
        f"take {found.other}: predicted for {found.predicted_then:.1%}, balanced accuracy "
        f"{found.balanced_accuracy_then:.2f}"
    )


def _values(column: Column) -> str:
    if column.kind == "boolean":
        return f"{np.nanmean(column.values):.1%} true"
    if column.kind == "categorical":
        shown = ", ".join(map(str, column.categories[:_SHOWN_CATEGORIES]))
        count = len(column.categories)
        return shown if count <= _SHOWN_CATEGORIES else f"{shown}, ... {count:,} in all"
    known = column.values[~column.missing]
    if column.kind == "date":
        return f"{date_text(known.min())} to {date_text(known.max())}"
    text = f"{known.min():.6g} to {known.max():.6g}"
    different = np.unique(known)
    are_few = len(different) <= _FEW_INTEGERS or (is_code(column.name) and _REPEATS * len(different) <= len(known))
    if len(different) > 2 and are_few and (different == np.floor(different)).all():
        text += f", {len(different):,} integers: if they are codes, --categorical {shlex.quote(column.name)}"
    return text


def calibration_line(temperature: float, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """What the temperature did to the probabilities of the test rows, see `metrics.of_probabilities`."""
    changes = ", ".join(
        f"{name} {before[key]:.4g} before, {after[key]:.4g} after"
        for key, name in (("log_loss", "log loss"), ("ece", "ECE"))
    )
    return f"calibrated by a temperature of {temperature:.3g}: {changes}"


def distillation_line(members: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What distillation did to the measures of the test rows, see `metrics.measure_answers`."""
    changes = ", ".join(
        f"{name} {before[key]:.4g} before, {after[key]:.4g} after"
        for key, name in (("log_loss", "log loss"), ("accuracy", "accuracy"), ("rmse", "RMSE"), ("r2", "R²"))
        if before.get(key) is not None
    )
    return f"distilled from {members} members: {changes}"
