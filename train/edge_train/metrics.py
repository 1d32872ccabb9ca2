"""How well a network does on rows that it has not learned from, in the usual measures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as measures

from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.terminal import aligned
from edge_train.dataset import Part
from edge_train.networks.answers import answers
from edge_train.networks.base import Network

# A larger confusion matrix fills the terminal and says nothing.
_MOST_CLASSES = 12
# Bins of the expected calibration error, as Guo et al. took them.
_BINS = 15


def measure(network: Network, part: Part) -> dict[str, Any]:
    """The measures of `network` on `part`, as `measure_answers` returns them."""
    return measure_answers(network.signature, answers(network, part), part.target)


def measure_answers(signature: Signature, found: npt.NDArray[np.float64], target: npt.NDArray[Any]) -> dict[str, Any]:
    """The measures of answers to rows, in plain types, as metrics.json has them; scikit-learn computes them.

    Args:
        signature: of the network.
        found: its answers, as `answers` returns them.
        target: shape (rows,), as `Part.target`.

    Returns:
        Of classes: accuracy; balanced_accuracy, the mean of the classes' recalls; roc_auc, of several classes the mean
        of each against the rest; log_loss in nats; ece, the `expected_calibration_error`; and confusion_matrix, a row
        for each true class and a column for each predicted class, in the order of the labels. Of two classes also f1
        of the rarer one; the signature's threshold, at which labels are predicted; and if it is not 0.5, for comparison
        balanced_accuracy_at_0.5. Of values: mae and rmse in the target's unit; and r2, None for a single row.
    """
    if signature.task == "regression":
        true = target.astype(np.float64)
        return {
            "mae": measures.mean_absolute_error(true, found),
            "rmse": measures.root_mean_squared_error(true, found),
            "r2": measures.r2_score(true, found) if len(true) > 1 else None,
        }
    classes, places = np.arange(len(signature.labels)), target.astype(np.int64)
    predicted = signature.predicted(found)
    scores = found[:, 1] if len(classes) == 2 else _summing_to_one(found)
    return {
        "accuracy": measures.accuracy_score(places, predicted),
        "balanced_accuracy": measures.balanced_accuracy_score(places, predicted),
        "roc_auc": float(measures.roc_auc_score(places, scores, multi_class="ovr")),
        **of_probabilities(found, places),
        **({} if len(classes) > 2 else _at_threshold(found[:, 1], places, signature.threshold)),
        "confusion_matrix": measures.confusion_matrix(places, predicted, labels=classes).tolist(),
    }


def of_probabilities(found: npt.NDArray[np.float64], places: npt.NDArray[np.int64]) -> dict[str, float]:
    """How good probabilities are: log_loss in nats, and ece, the `expected_calibration_error`.

    Args:
        found: the probabilities, shape (rows, classes).
        places: the true classes, shape (rows,).
    """
    return {
        "log_loss": measures.log_loss(places, _summing_to_one(found), labels=np.arange(found.shape[1])),
        "ece": expected_calibration_error(found, places),
    }


def _summing_to_one(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities that sum to one more exactly than float32 does, as scikit-learn wants them."""
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def expected_calibration_error(probabilities: npt.NDArray[np.float64], places: npt.NDArray[np.int64]) -> float:
    """How far the probability of the most probable class is from how often that class is right, between 0 and 1.

    The rows are sorted into 15 bins of equal width by this probability. The error is the mean over the bins, weighted
    by their rows, of the difference between its mean and the accuracy (Guo et al., On Calibration of Modern Neural
    Networks, 2017). A threshold does not matter to it.

    Args:
        probabilities: shape (rows, classes).
        places: the true classes, shape (rows,).
    """
    confidence, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == places
    # Each bin holds its upper edge.
    bins = np.ceil(confidence * _BINS).astype(np.int64)
    return float(np.abs(np.bincount(bins, confidence - is_right)).sum() / len(places))


def _at_threshold(found: npt.NDArray[np.float64], places: npt.NDArray[np.int64], threshold: float) -> dict[str, float]:
    """What is measured of two classes alone, from the probability of the second one, shape (rows,)."""
    rare = int(places.mean() <= 0.5)
    measured = {
        "f1": measures.f1_score(places, found > threshold, pos_label=rare, zero_division=0.0),
        "threshold": threshold,
    }
    if threshold != Signature.threshold:
        half = measures.balanced_accuracy_score(places, found > Signature.threshold)
        measured[f"balanced_accuracy_at_{Signature.threshold}"] = half
    return measured


def as_text(found: Mapping[str, Any], labels: tuple[Label, ...]) -> str:
    """What `measure` returns, for the terminal: a line for each number, and the confusion matrix if it is small."""
    numbers = [(name.replace("_", " "), f"{value:.4g}") for name, value in found.items() if isinstance(value, float)]
    lines = aligned(numbers)
    if "confusion_matrix" in found and len(labels) <= _MOST_CLASSES:
        rows = [(label, *counts) for label, counts in zip(labels, found["confusion_matrix"], strict=True)]
        lines += aligned([("true \\ predicted", *labels), *rows], right=range(1, len(labels) + 1))
    return "\n".join(lines)
