"""The rows that an exported model is compared on: ordinary ones, ones on the decision boundary, extreme ones."""

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from edge_runtime.rows import LARGEST
from edge_train import NeuralNet

Rows = npt.NDArray[np.float32]

# One, two, odd and large batches: ONNX Runtime and torch choose other kernels for each.
BATCH_SIZES = (1, 1, 1, 1, 2, 2, 3, 7, 37, 1024, 8191)

_FINITE_EXTREMES = (0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 1e4, -1e4, 1e9, -1e9, 1e30, -1e30)
_NOT_FINITE = (np.nan, np.inf, -np.inf)
_MOST_FEATURES = 16


@dataclass(frozen=True)
class Case:
    """Rows of one kind.

    Attributes:
        name: what they have in common.
        batches: each of shape (batch, features), float32; run one at a time.
    """

    name: str
    batches: tuple[Rows, ...]


def draw_cases(model: NeuralNet, seed: int = 0) -> tuple[Case, ...]:
    """The cases for `model`; the same model and seed give the same rows."""
    random = np.random.default_rng(seed)
    center, spread = _location(model)

    def like_training(count: int, width: float = 1.0) -> Rows:
        rows = center + width * spread * random.standard_normal((count, len(center)))
        return rows.clip(-LARGEST, LARGEST).astype(np.float32)

    ordinary = tuple(like_training(size) for size in BATCH_SIZES)
    boundary = _boundary_rows(model, like_training(512, width=2.0))
    return (
        Case("rows like the training data", ordinary),
        Case("rows on the decision boundary", _in_batches(boundary)),
        Case("extreme rows", _in_batches(_planted(_FINITE_EXTREMES, center))),
        Case("rows with NaN or infinity", _in_batches(_planted(_NOT_FINITE, center))),
    )


def _location(model: NeuralNet) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centre and spread of each feature in training, where the checkpoint knows; else of a standard normal."""
    if model.standardize is not None:
        return model.standardize.mean.double().numpy(), model.standardize.scale.double().numpy()
    ranges = [
        (0.0, 1.0)
        if feature.minimum is None or feature.maximum is None
        # A normal distribution keeps 95 % of its rows within two standard deviations.
        else ((feature.minimum + feature.maximum) / 2, (feature.maximum - feature.minimum) / 4)
        for feature in model.signature.features
    ]
    center, spread = zip(*ranges, strict=True)
    return np.array(center), np.array(spread)


def _boundary_rows(model: NeuralNet, rows: Rows) -> Rows:
    """Rows on the decision boundary of `model` in float64 and on both sides of it, nearer and farther.

    Found by bisection between rows of different labels; none if all rows have the same label.
    """
    reference = copy.deepcopy(model).double()

    def positive(points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        with torch.inference_mode():
            return model.signature.is_positive(reference(torch.from_numpy(points))).numpy()[:, 0]  # type: ignore[no-any-return]

    points = rows.astype(np.float64)
    labels = positive(points)
    pairs = min(labels.sum(), (~labels).sum(), 128)
    start, end = points[~labels][:pairs], points[labels][:pairs]
    if not pairs:
        return np.empty((0, rows.shape[1]), np.float32)
    low, high = np.zeros((pairs, 1)), np.ones((pairs, 1))
    for _ in range(60):
        middle = (low + high) / 2
        above = positive(start + middle * (end - start))[:, None]
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    steps = [0.0, *(sign * 10.0**-power for power in range(1, 8) for sign in (-1, 1))]
    found = np.concatenate([start + (high + step) * (end - start) for step in steps])
    return found.clip(-LARGEST, LARGEST).astype(np.float32)


def _planted(values: tuple[float, ...], center: npt.NDArray[np.float64]) -> Rows:
    """Rows in which every feature, or one feature alone among ordinary ones, has one of `values`."""
    planted = [np.full(len(center), value) for value in values]
    for column in range(min(len(center), _MOST_FEATURES)):
        for value in values:
            row = center.copy()
            row[column] = value
            planted.append(row)
    return np.array(planted, dtype=np.float32)


def _in_batches(rows: Rows) -> tuple[Rows, ...]:
    """`rows` as one batch, the first 32 of them one by one, and the first and last two as pairs."""
    if not len(rows):
        return ()
    return (rows, *(rows[index : index + 1] for index in range(0, min(len(rows), 32))), rows[:2], rows[-2:])
