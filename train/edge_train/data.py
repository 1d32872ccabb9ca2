"""The rows to learn from: the four blobs of the example, or a table, in parts to train, to validate, to test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import make_blobs
from sklearn.model_selection import train_test_split

from edge_runtime.signature import Feature, Input, Signature, Task
from edge_train.columns import Column
from edge_train.encoding import MISSING, UNKNOWN, codes_of
from edge_train.errors import TableError
from edge_train.target import Target

BLOB_CENTERS = ((1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0))
BLOB_LABELS = (0, 0, 1, 1)
BLOB_STANDARD_DEVIATION = 0.3

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.15

NUMBERS, TEXT = "x", "text"
_OUTPUTS: Mapping[Task, str] = {
    "binary_classification": "probability",
    "multiclass_classification": "probabilities",
    "regression": "value",
}


@dataclass(frozen=True)
class Part:
    """Some rows, with what is to be predicted of them.

    Attributes:
        inputs: what a network takes, by the names of the signature's inputs: float32 of shape (rows, features), and
            int64 codes of texts.
        target: shape (rows,); float32 1.0 for `labels[1]` of two and 0.0 for `labels[0]`, or the value; int64 places in
            the labels if there are more than two.
    """

    inputs: Mapping[str, npt.NDArray[Any]]
    target: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.target)

    @property
    def sha256(self) -> str:
        """The SHA-256 over the bytes of the rows."""
        digest = hashlib.sha256()
        for values in (*self.inputs.values(), self.target):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Rows with known answers.

    Attributes:
        train: to learn from.
        validation: to see when to stop; None where all epochs are gone through.
        test: to measure with; None where others do.
        signature: what a row and an answer mean, with the ranges and categories of the rows to train.
    """

    train: Part
    validation: Part | None
    test: Part | None
    signature: Signature

    @property
    def training_sha256(self) -> str:
        """The SHA-256 over the bytes of the training rows: which ones a network has learned from."""
        return self.train.sha256


def four_blobs(seed: int) -> Dataset:
    """The example: four normal blobs in the plane, opposite ones of one class; 80 rows to train, 20 to test."""
    random = np.random.RandomState(seed)
    parts = []
    for rows in (80, 20):
        x, cluster = make_blobs(
            n_samples=rows, centers=np.array(BLOB_CENTERS), cluster_std=BLOB_STANDARD_DEVIATION, random_state=random
        )
        parts.append(Part({NUMBERS: x.astype(np.float32)}, np.array(BLOB_LABELS, dtype=np.float32)[cluster]))
    train, test = parts
    x = train.inputs[NUMBERS]
    ranges = zip(("x1", "x2"), x.min(axis=0).tolist(), x.max(axis=0).tolist(), strict=True)
    features = tuple(Feature(name, "numeric", low, high) for name, low, high in ranges)
    return Dataset(train, None, test, Signature((Input(NUMBERS, features),), "probability", (0, 1)))


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
            if tensor.is_text
            else by_name[feature.name].values[rows]
            for feature in tensor.features
        ]
        inputs[tensor.name] = np.stack(values, axis=1)
    return Part(inputs, target.values[rows])


def _codes(column: Column, feature: Feature) -> npt.NDArray[np.int64]:
    """The code of each of the column's words, and of a gap (-1) at the end; see `encoding`."""
    known = codes_of(feature)
    return np.array([*(known.get(str(word), UNKNOWN) for word in column.words), MISSING], np.int64)
