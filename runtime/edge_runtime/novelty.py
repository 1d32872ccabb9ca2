"""What in rows is unlike everything in the training data."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.signature import Feature, Signature

_MISSING = "is missing, but never was in training"


def unseen(signature: Signature, feed: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, str]]:
    """What in each row is unlike everything in the training data, and why.

    A number is, if it is farther from the range in training than half of that range. A category is, if it is unknown. A
    missing value is, if the feature was never missing in training.

    Args:
        signature: the features, with what training saw of them.
        feed: the model's inputs by name, each of shape (rows, features of the input).

    Returns:
        For each row, the reasons by feature, in the order of a row's values.
    """
    columns = {
        feature.name: feed[tensor.name][:, index]
        for tensor in signature.inputs
        for index, feature in enumerate(tensor.features)
    }
    (count,) = {len(column) for column in columns.values()}
    found: list[dict[str, str]] = [{} for _ in range(count)]
    for feature in signature.features:
        reasons = _unknown_categories if feature.kind == "categorical" else _far_numbers
        for row, reason in reasons(columns[feature.name], feature):
            found[row][feature.name] = reason
    return found


def _unknown_categories(column: npt.NDArray[Any], feature: Feature) -> Iterator[tuple[int, str]]:
    known = {"", *map(str, feature.categories)}
    for row, category in enumerate(column.tolist()):
        if category not in known:
            yield row, f"{category!r} was not seen in training"
        elif not category and feature.missing == 0:
            yield row, _MISSING


def _far_numbers(column: npt.NDArray[Any], feature: Feature) -> Iterator[tuple[int, str]]:
    if feature.missing == 0:
        for row in np.flatnonzero(np.isnan(column)).tolist():
            yield row, _MISSING
    if feature.minimum is None or feature.maximum is None:
        return
    # Rounded as the tensor rounds them, so that the only number of a constant column is within its range.
    with np.errstate(over="ignore"):
        low, high = np.array([feature.minimum, feature.maximum]).astype(column.dtype).astype(np.float64).tolist()
    values, margin = column.astype(np.float64), (high - low) / 2
    for row in np.flatnonzero((values < low - margin) | (values > high + margin)).tolist():
        value = values[row]
        if low == high:
            yield row, f"{value:.6g} was not seen in training, where it always is {low:.6g}"
        else:
            side, bound = ("below", low) if value < low else ("above", high)
            yield row, f"{value:.6g} is far {side} the {bound:.6g} seen in training"
