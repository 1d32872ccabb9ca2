"""Scores of answers to held-out rows."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss, r2_score

Array = npt.NDArray[Any]

LOG_LOSS, R2, ECE = "log loss", "R²", "ECE"
# Whether more is better.
UPWARDS = {LOG_LOSS: False, R2: True, ECE: False}
_BINS = 15


def scores(actual: Array, answers: Array) -> dict[str, float]:
    """The scores of one contestant on the held-out rows of one fold.

    Args:
        actual: shape (rows,): int64 classes, or float64 values.
        answers: shape (rows, classes), probabilities; in regression shape (rows,), values.

    Returns:
        The log loss in nats and the ECE, or R².
    """
    if answers.ndim == 1:
        return {R2: float(r2_score(actual, answers))}
    probabilities = answers.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    classes = np.arange(answers.shape[1])
    return {
        LOG_LOSS: float(log_loss(actual, probabilities, labels=classes)),
        ECE: expected_calibration_error(actual, probabilities),
    }


def expected_calibration_error(actual: Array, probabilities: Array) -> float:
    """How far the confidence in the predicted class is from the accuracy, in 15 bins of equal width.

    From Guo et al., *On Calibration of Modern Neural Networks* (2017): the mean over rows of what the two differ by in
    the row's bin.

    Args:
        actual: shape (rows,), the classes by number.
        probabilities: shape (rows, classes).
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == actual
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return float(np.abs(np.bincount(bins, confidence - right, minlength=_BINS)).sum() / len(actual))


def coverage(actual: Array, bounds: Array) -> float:
    """The fraction of the values that lie in their intervals.

    Args:
        actual: shape (rows,).
        bounds: shape (rows, 2), the lower and the upper bound.
    """
    return float(np.mean((bounds[:, 0] <= actual) & (actual <= bounds[:, 1])))
