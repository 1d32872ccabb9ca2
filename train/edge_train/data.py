"""The rows to learn from: the four blobs of the example, or a table, split into a part to train and a part to test."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.datasets import make_blobs
from sklearn.model_selection import train_test_split

from edge_runtime.signature import Feature, Label
from edge_train.errors import TableError
from edge_train.table import Table

BLOB_CENTERS = ((1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0))
BLOB_LABELS = (0, 0, 1, 1)
BLOB_STANDARD_DEVIATION = 0.3

TEST_SHARE = 0.2


@dataclass(frozen=True)
class Dataset:
    """Rows with known classes.

    Attributes:
        x_train: shape (training rows, features), float32.
        y_train: shape (training rows,), float32; 1.0 for rows of class `labels[1]`, 0.0 for rows of `labels[0]`.
        x_test: shape (test rows, features), float32.
        y_test: shape (test rows,), float32.
        features: the columns, with the ranges that the training rows cover.
        labels: the two classes.
    """

    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.float32]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.float32]
    features: tuple[Feature, ...]
    labels: tuple[Label, Label]

    @property
    def training_sha256(self) -> str:
        """The SHA-256 over the bytes of `x_train` and `y_train`: which rows a network has learned from."""
        return hashlib.sha256(self.x_train.tobytes() + self.y_train.tobytes()).hexdigest()


def four_blobs(seed: int) -> Dataset:
    """The example: four normal blobs in the plane, opposite ones of one class; 80 rows to train, 20 to test."""
    random = np.random.RandomState(seed)
    parts = []
    for rows in (80, 20):
        x, cluster = make_blobs(
            n_samples=rows, centers=np.array(BLOB_CENTERS), cluster_std=BLOB_STANDARD_DEVIATION, random_state=random
        )
        parts += [x.astype(np.float32), np.array(BLOB_LABELS, dtype=np.float32)[cluster]]
    x_train, y_train, x_test, y_test = parts
    return Dataset(x_train, y_train, x_test, y_test, _features(("x1", "x2"), x_train), (0, 1))


def from_table(table: Table, seed: int) -> Dataset:
    """`table` split at random, a fifth of each class for the test.

    Raises:
        TableError: the target does not have exactly two classes, or one of them has a single row.
    """
    labels, classes, counts = np.unique(table.target, return_inverse=True, return_counts=True)
    if len(labels) != 2:
        shown = ", ".join(map(str, labels[:5])) + (", ..." if len(labels) > 5 else "")
        raise TableError(f"{table.target_name} has {len(labels)} classes ({shown}); two are needed")
    if counts.min() < 2:
        rare = labels[counts.argmin()]
        raise TableError(f"class {rare} has a single row; at least two are needed, one to train and one to test")
    # Class by class, so that the rarer one is in both parts, however rare.
    parts = [
        train_test_split(rows, test_size=max(1, round(TEST_SHARE * len(rows))), random_state=seed)
        for rows in (np.flatnonzero(classes == 0), np.flatnonzero(classes == 1))
    ]
    train, test = (np.concatenate(part) for part in zip(*parts, strict=True))
    x_train, x_test = table.rows[train], table.rows[test]
    y_train, y_test = classes[train].astype(np.float32), classes[test].astype(np.float32)
    low, high = labels.tolist()
    return Dataset(x_train, y_train, x_test, y_test, _features(table.feature_names, x_train), (low, high))


def _features(names: tuple[str, ...], x: npt.NDArray[np.float32]) -> tuple[Feature, ...]:
    ranges = zip(names, x.min(axis=0).tolist(), x.max(axis=0).tolist(), strict=True)
    return tuple(Feature(name, "numeric", low, high) for name, low, high in ranges)
