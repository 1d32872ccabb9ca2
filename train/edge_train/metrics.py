"""How well a network does on rows that it has not learned from, in the usual measures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn import metrics as measures

from edge_runtime.contract.labels import Label
from edge_runtime.contract.terminal import aligned
from edge_train.dataset import Part
from edge_train.networks.answers import answers
from edge_train.networks.base import Network

# A larger confusion matrix fills the terminal and says nothing.
_MOST_CLASSES = 12


def measure(network: Network, part: Part) -> dict[str, Any]:
    """The measures of `network` on `part`, in plain types, as metrics.json has them; scikit-learn computes them.

    Returns:
        Of classes: accuracy; balanced_accuracy, the mean of the classes' recalls; roc_auc, of several classes the mean
        of each against the rest; log_loss in nats; and confusion_matrix, a row for each true class and a column for
        each predicted class, in the order of the labels. Of values: mae and rmse in the target's unit; and r2, None for
        a single row.
    """
    found, signature = answers(network, part), network.signature
    if signature.task == "regression":
        true = part.target.astype(np.float64)
        return {
            "mae": measures.mean_absolute_error(true, found),
            "rmse": measures.root_mean_squared_error(true, found),
            "r2": measures.r2_score(true, found) if len(true) > 1 else None,
        }
    classes, places = np.arange(len(signature.labels)), part.target.astype(np.int64)
    predicted = signature.predicted(found)
    # scikit-learn wants rows that sum to one more exactly than float32 does.
    probabilities = found / found.sum(axis=1, keepdims=True)
    scores = probabilities[:, 1] if len(classes) == 2 else probabilities
    return {
        "accuracy": measures.accuracy_score(places, predicted),
        "balanced_accuracy": measures.balanced_accuracy_score(places, predicted),
        "roc_auc": float(measures.roc_auc_score(places, scores, multi_class="ovr")),
        "log_loss": measures.log_loss(places, probabilities, labels=classes),
        "confusion_matrix": measures.confusion_matrix(places, predicted, labels=classes).tolist(),
    }


def as_text(found: Mapping[str, Any], labels: tuple[Label, ...]) -> str:
    """What `measure` returns, for the terminal: a line for each number, and the confusion matrix if it is small."""
    numbers = [(name.replace("_", " "), f"{value:.4g}") for name, value in found.items() if isinstance(value, float)]
    lines = aligned(numbers)
    if "confusion_matrix" in found and len(labels) <= _MOST_CLASSES:
        rows = [(label, *counts) for label, counts in zip(labels, found["confusion_matrix"], strict=True)]
        lines += aligned([("true \\ predicted", *labels), *rows], right=range(1, len(labels) + 1))
    return "\n".join(lines)
