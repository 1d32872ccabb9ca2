"""A table's rows in parts: to train and to test."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from edge_runtime.contract.category_codes import MISSING, UNKNOWN, codes_of
from edge_runtime.contract.signature import Feature, Input, Signature, Task
from edge_train.dataset import CATEGORIES, DATES, NUMBERS, Dataset, Part
from edge_train.errors import TableError
from edge_train.table.columns import Column
from edge_train.table.raw_column import FEW_STRINGS
from edge_train.table.target import Target

TEST_FRACTION = 0.2
# If more of the training rows than this fraction have a category that no other row has, none of these is learned.
_MOST_SINGLE = 0.2

_OUTPUTS: Mapping[Task, str] = {
    "binary_classification": "probability",
    "multiclass_classification": "probabilities",
    "regression": "value",
}


def split(
    columns: Sequence[Column], target: Target, seed: int, test: bool = True, *, known_from_all: bool = False
) -> Dataset:
    """The rows of a table that have a target, split at random, class by class.

    A column that has no value in the training rows is dropped.

    Args:
        columns: what to learn from, with all rows of the table.
        target: what is to be predicted.
        seed: the seed of the split.
        test: whether to keep a fifth of the rows to test.
        known_from_all: whether the signature's ranges and categories are those of all rows, and not of the training
            rows alone: for a network that learns from all of them in the end.

    Raises:
        TableError: a class has too few rows for all parts, or no column has a value in the training rows.
    """
    if any(len(column.values) > len(target.rows) for column in columns):
        columns = [replace(column, values=column.values[target.rows]) for column in columns]
    everything = np.arange(len(target.rows))
    training, testing = _without_test_rows(target, seed) if test else (everything, None)
    columns = [column for column in columns if not column.missing[training].all()]
    if not columns:
        raise TableError("no column is left to learn from: none has a value in the training rows")
    signature = _signature(columns, target, everything if known_from_all else training)

    def part(rows: npt.NDArray[np.intp]) -> Part:
        return _part(columns, target, signature, rows)

    return Dataset(train=part(training), test=None if testing is None else part(testing), signature=signature)


def _without_test_rows(target: Target, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The places of the training rows, and of the test rows: at least one of each class, however rare."""
    groups, names = [np.arange(len(target.rows))], [f"the column {target.name}"]
    if target.task != "regression":
        classes = target.values.astype(np.int64)
        ends = np.bincount(classes, minlength=len(target.labels)).cumsum()
        groups = np.split(classes.argsort(kind="stable"), ends[:-1])
        names = [f"{target.name}: the class {label}" for label in target.labels]
    for group, name in zip(groups, names, strict=True):
        if len(group) < 2:
            raise TableError(
                f"{name} has too few rows; a row to train and one to test are needed: add rows"
                + ("" if target.task == "regression" else ", remove the class, or merge it with another")
            )
    parts = [
        train_test_split(
            group, test_size=min(len(group) - 1, max(1, round(TEST_FRACTION * len(group)))), random_state=seed
        )
        for group in groups
    ]
    return np.concatenate([rest for rest, _ in parts]), np.concatenate([taken for _, taken in parts])


def _signature(columns: Sequence[Column], target: Target, rows: npt.NDArray[np.intp]) -> Signature:
    features = {column.name: _feature(column, rows) for column in columns}
    groups = {
        NUMBERS: tuple(feature for feature in features.values() if feature.kind in ("numeric", "boolean")),
        CATEGORIES: tuple(feature for feature in features.values() if feature.kind == "categorical"),
        DATES: tuple(feature for feature in features.values() if feature.kind == "date"),
    }
    inputs = tuple(Input(name, group) for name, group in groups.items() if group)
    in_order = [feature for tensor in inputs for feature in tensor.features] == list(features.values())
    return Signature(
        inputs=inputs,
        output=_OUTPUTS[target.task],
        labels=target.labels,
        task=target.task,
        columns=() if in_order else tuple(features),
    )


def _feature(column: Column, rows: npt.NDArray[np.intp]) -> Feature:
    values, is_missing = column.values[rows], column.missing[rows]
    missing, known = float(is_missing.mean()), values[~is_missing]
    if column.kind in ("categorical", "boolean"):
        places, counts = np.unique(known, return_counts=True)
        often = None if counts.max() < is_missing.sum() else places[counts.argmax()]
        if column.kind == "boolean":
            baseline: float | str = "" if often is None else bool(often)
            return Feature(column.name, "boolean", missing=missing, words=column.words, baseline=baseline)
        baseline = "" if often is None else column.categories[often]
        return Feature(
            column.name, "categorical", missing=missing, categories=_learned(column, known), baseline=baseline
        )
    # The median; of two in the middle the lower one, which occurs.
    low, middle, high = known.min(), np.quantile(known, 0.5, method="lower"), known.max()
    if column.kind == "date":
        typical = "" if missing > 0.5 else int(middle)
        return Feature(column.name, "date", float(low), float(high), missing, order=column.order, baseline=typical)
    # The shortest decimal that is the same float32: what the table has, if it has no more digits.
    low, middle, high = (float(str(one)) for one in (low, middle, high))
    return Feature(
        column.name, "numeric", low, high, missing, notation=column.notation, baseline="" if missing > 0.5 else middle
    )


def _learned(column: Column, known: npt.NDArray[np.int32]) -> tuple[str, ...] | tuple[int, ...]:
    """The categories to learn, from the places of those of the training rows: the network knows no others.

    Where many rows have a category of their own, the network would know these rows by it, and learn less from their
    other columns. They are better learned as rows of an unknown category.
    """
    places, rows = np.unique(known, return_counts=True)
    repeated = places[rows > 1]
    is_mostly_known = np.count_nonzero(rows == 1) <= _MOST_SINGLE * len(known)
    kept = places if len(places) <= FEW_STRINGS or is_mostly_known or not len(repeated) else repeated
    return tuple(column.categories[place] for place in kept.tolist())


def _part(columns: Sequence[Column], target: Target, signature: Signature, rows: npt.NDArray[np.intp]) -> Part:
    by_name = {column.name: column for column in columns}
    inputs = {}
    for tensor in signature.inputs:
        values = [
            _codes(by_name[feature.name], feature)[by_name[feature.name].values[rows]]
            if tensor.holds_strings
            else by_name[feature.name].values[rows]
            for feature in tensor.features
        ]
        inputs[tensor.name] = np.stack(values, axis=1)
    return Part(inputs, target.values[rows])


def _codes(column: Column, feature: Feature) -> npt.NDArray[np.int64]:
    """The code of each of the column's categories, and at the end, where the place -1 leads, of a missing value."""
    known = codes_of(feature)
    return np.array([*(known.get(str(category), UNKNOWN) for category in column.categories), MISSING], np.int64)
