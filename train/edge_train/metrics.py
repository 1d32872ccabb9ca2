"""How well a network does on rows that it has not learned from, in the measures that people expect."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn import metrics as measures

from edge_train.dataset import Part
from edge_train.networks.base import Network

# Rows that a network answers at once.
_BLOCK = 16_384
# A larger matrix fills the terminal and says nothing.
_MOST_SHOWN = 12


def answers(network: Network, part: Part) -> npt.NDArray[np.float64]:
    """What `network` gives for the rows of `part`: shape (rows, classes) of probabilities, or (rows,) of values."""
    blocks = []
    with torch.inference_mode():
        for start in range(0, len(part), _BLOCK):
            inputs = {name: torch.from_numpy(values[start : start + _BLOCK]) for name, values in part.inputs.items()}
            blocks.append(network(**inputs).numpy())
    found = np.concatenate(blocks).astype(np.float64)
    if network.signature.task == "regression":
        return found[:, 0]
    return np.concatenate([1 - found, found], 1) if found.shape[1] == 1 else found


def measure(network: Network, part: Part) -> dict[str, Any]:
    """The measures of `network` on `part`, in plain types, as metrics.json has them.

    Classes: accuracy, balanced_accuracy (the mean recall of the classes), roc_auc (of several classes the mean of one
    against the rest), log_loss in nats, and confusion_matrix, whose rows are true and columns predicted classes, in the
    order of the labels. Values: mae and rmse in the target's unit, and r2, None for a single row.

    The formulas are scikit-learn's.
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
    # Float32's rows do not sum to one as closely as the formula wants.
    shares = found / found.sum(axis=1, keepdims=True)
    binary = len(classes) == 2
    return {
        "accuracy": measures.accuracy_score(places, predicted),
        "balanced_accuracy": measures.balanced_accuracy_score(places, predicted),
        "roc_auc": float(measures.roc_auc_score(places, shares[:, 1] if binary else shares, multi_class="ovr")),
        "log_loss": measures.log_loss(places, shares, labels=classes),
        "confusion_matrix": measures.confusion_matrix(places, predicted, labels=classes).tolist(),
    }


def as_text(found: Mapping[str, Any], labels: tuple[Any, ...]) -> str:
    """What `measure` gives, for the terminal: a line for each number, and the matrix if it is small."""
    lines = [f"{name.replace('_', ' '):<18} {value:.4g}" for name, value in found.items() if isinstance(value, float)]
    matrix = found.get("confusion_matrix")
    if matrix is not None and len(labels) <= _MOST_SHOWN:
        names = [str(label) for label in labels]
        width = max(len(cell) for cell in (*names, *(str(count) for row in matrix for count in row)))
        first = max(map(len, ("true \\ predicted", *names)))
        lines.append(f"{'true ' + chr(92) + ' predicted':<{first}}  " + "  ".join(f"{name:>{width}}" for name in names))
        lines += [
            f"{name:<{first}}  " + "  ".join(f"{count:>{width}}" for count in row)
            for name, row in zip(names, matrix, strict=True)
        ]
    return "\n".join(lines)
