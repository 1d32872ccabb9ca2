"""The rows to learn from: the four blobs of the example, or a table, in parts to train, to validate, to test."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import make_blobs

from edge_runtime.contract.signature import Feature, Input, Signature

BLOB_CENTERS = ((1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0))
BLOB_LABELS = (0, 0, 1, 1)
BLOB_STANDARD_DEVIATION = 0.3


NUMBERS, TEXT = "x", "text"


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
