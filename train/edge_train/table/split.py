"""A table's rows in parts: to train, to validate, to test."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from edge_runtime.contract.category_codes import MISSING, UNKNOWN, codes_of
from edge_runtime.contract.signature import Feature, Input, Signature, Task
from edge_train.dataset import NUMBERS, TEXT, Dataset, Part
from edge_train.errors import TableError
from edge_train.table.columns import Column
from edge_train.table.target import Target

TEST_SHARE = 0.2


VALIDATION_SHARE = 0.15


_OUTPUTS: Mapping[Task, str] = {
    "binary_classification": "probability",
    "multiclass_classification": "probabilities",
    "regression": "value",
}


def split(
    columns: Sequence[Column], target: Target, seed: int, test: bool = True, validation: float = VALIDATION_SHARE
) -> Dataset:
    """A table's rows with a target split at random, class by class: a fifth to test, a share of the rest to validate.

    Args:
        columns: what to learn from, with all rows of the table.
        target: what is to be predicted.
        seed: of the split.
        test: whether to keep rows for the test.
        validation: the share of the other rows to validate with, from 0 (none) to below 1.

    Raises:
        TableError: a class has too few rows for all parts, or there are no columns.
    """
    if any(len(column.values) > len(target.rows) for column in columns):
        columns = [replace(column, values=column.values[target.rows]) for column in columns]
    rest, held = np.arange(len(target.rows)), None
    if test:
        rest, held = _divided(rest, target, TEST_SHARE, seed)
    kept = None
    if validation:
        rest, kept = _divided(rest, target, validation, seed)
    # Nothing is learned from what the rows to train have no value of.
    columns = [column for column in columns if not column.gaps[rest].all()]
    if not columns:
        raise TableError("no column is left to learn from beside the target")
    signature = _signature(columns, target, rest)
    parts = [None if rows is None else _part(columns, target, signature, rows) for rows in (rest, kept, held)]
    assert parts[0] is not None
    return Dataset(parts[0], parts[1], parts[2], signature)


def _divided(
    rows: npt.NDArray[np.intp], target: Target, share: float, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """`rows` without a share of each class, and that share: of each class one row at least, however rare."""
    labels = ("the table",) if target.task == "regression" else target.labels
    groups = [rows]
    if target.task != "regression":
        classes = target.values[rows].astype(np.int64)
        ends = np.bincount(classes, minlength=len(labels)).cumsum()
        groups = np.split(rows[classes.argsort(kind="stable")], ends[:-1])
    for group, name in zip(groups, labels, strict=True):
        if len(group) < 2:
            raise TableError(
                f"{target.name}: {name} has too few rows; each part, to train, to validate and to test, needs one: "
                "leave them out, or merge them with another class"
            )
    parts = [
        train_test_split(group, test_size=min(len(group) - 1, max(1, round(share * len(group)))), random_state=seed)
        for group in groups
    ]
    return np.concatenate([first for first, _ in parts]), np.concatenate([second for _, second in parts])


def _signature(columns: Sequence[Column], target: Target, rows: npt.NDArray[np.intp]) -> Signature:
    features = {column.name: _feature(column, rows) for column in columns}
    groups = {
        NUMBERS: tuple(one for one in features.values() if one.kind != "categorical"),
        TEXT: tuple(one for one in features.values() if one.kind == "categorical"),
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
    values, gaps = column.values[rows], column.gaps[rows]
    missing, known = float(gaps.mean()), values[~gaps]
    if column.kind == "categorical":
        # What the training rows hold alone: others are as unknown to the network as any text.
        seen = np.unique(known).tolist()
        return Feature(column.name, "categorical", missing=missing, categories=tuple(column.words[one] for one in seen))
    if column.kind == "boolean" or not len(known):
        return Feature(column.name, column.kind, missing=missing)
    # The shortest decimal that is the same float32: what stands in the table, if it has no more digits.
    return Feature(column.name, "numeric", float(str(known.min())), float(str(known.max())), missing)


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
    """The code of each of the column's words, and of a gap (-1) at the end; see `encoding`."""
    known = codes_of(feature)
    return np.array([*(known.get(str(word), UNKNOWN) for word in column.words), MISSING], np.int64)
