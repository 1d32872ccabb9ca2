"""Rows to learn from, with their answers known: a part to train and one to test."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.signature import Signature

# The names of a network's inputs: of numbers and booleans, of the codes of categories, and of dates.
NUMBERS, CATEGORIES, DATES = "x", "text", "date"


@dataclass(frozen=True)
class Part:
    """Some rows and their targets.

    Attributes:
        inputs: the network's inputs, by the names of the signature's inputs: float32 of shape (rows, features), NaN
            being a missing value, int64 category codes of shape (rows, features), and dates, int64 seconds since
            1970-01-01 UTC of shape (rows, features), `edge_runtime.contract.dates.MISSING_DATE` being a missing value.
        target: shape (rows,); of two classes float32, 1.0 for `labels[1]` and 0.0 for `labels[0]`; of more int64,
            places in `labels`; in regression float32, the values.
    """

    inputs: Mapping[str, npt.NDArray[Any]]
    target: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.target)

    def __repr__(self) -> str:
        arrays = (f"{name}: {values.dtype} {list(values.shape)}" for name, values in self.inputs.items())
        return f"Part({len(self):,} rows, {', '.join(arrays)})"

    def taken(self, rows: npt.NDArray[np.intp]) -> "Part":
        """A copy of those of its rows at these places."""
        return Part({name: values[rows] for name, values in self.inputs.items()}, self.target[rows])

    def joined(self, other: "Part") -> "Part":
        """Its rows, and behind them those of `other`."""
        inputs = {name: np.concatenate([values, other.inputs[name]]) for name, values in self.inputs.items()}
        return Part(inputs, np.concatenate([self.target, other.target]))

    @property
    def sha256(self) -> str:
        """The SHA-256 over the bytes of the rows and targets, as 64 hex digits."""
        digest = hashlib.sha256()
        for values in (*self.inputs.values(), self.target):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class ColumnDescription:
    """What a column of a table was taken for, in words.

    Attributes:
        name: the name in the header.
        kind: a kind of feature, or "dropped".
        written: how its cells are written, if that is not as programs write them.
        missing: how many of its values are missing: "none", "12.5%"; empty if it was dropped.
        values: which values it has; why it was dropped.
        warning: what the user should know about it; empty if there is nothing.
    """

    name: str
    kind: str
    written: str
    missing: str
    values: str
    warning: str


@dataclass(frozen=True)
class TableDescription:
    """What was found in a table, in words.

    Attributes:
        name: of the file.
        target: the name of the column to predict.
        rows: how many rows the table has.
        columns: all but the target, in their order.
        notes: what was dropped besides.
    """

    name: str
    target: str
    rows: int
    columns: tuple[ColumnDescription, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Rows with known answers, in parts.

    Attributes:
        train: the rows to learn from.
        test: the rows to measure the network on; None if it is measured on others.
        signature: what a row and an answer mean, with the ranges and categories of the training rows, or of all rows
            for a network that learns from all of them in the end.
        description: what was found in the table that the rows are from; None if they are from none.
    """

    train: Part
    test: Part | None
    signature: Signature
    description: TableDescription | None = None

    def __repr__(self) -> str:
        return f"Dataset({self.size}, {self.signature.task})"

    @property
    def size(self) -> str:
        """How many rows each part has and how many features a row has, in one line."""
        test = "" if self.test is None else f", {len(self.test):,} to test"
        features = len(self.signature.features)
        return f"{len(self.train):,} rows to train{test}, {features:,} feature{'' if features == 1 else 's'}"

    @property
    def training_sha256(self) -> str:
        """The SHA-256 over the bytes of the training rows: it says which rows a network has learned from."""
        return self.train.sha256
