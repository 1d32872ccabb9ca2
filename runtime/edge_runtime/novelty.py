"""What in rows is unlike anything that training saw."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.signature import Feature, Signature

_MISSING = "is missing, which it never was in training"


def unseen(signature: Signature, feed: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, str]]:
    """For each row of `feed`, the model's inputs by name: why a feature's value is unlike training's, by its name.

    Features stand in the order of a row's values. A number is far from what training saw where it lies outside of its
    range by more than half of it; a category is new where it is none of training's; a gap where training saw none.
    """
    columns = {
        feature.name: feed[tensor.name][:, index]
        for tensor in signature.inputs
        for index, feature in enumerate(tensor.features)
    }
    (count,) = {len(column) for column in columns.values()}
    found: list[dict[str, str]] = [{} for _ in range(count)]
    for feature in signature.features:
        reasons = _new_texts if feature.kind == "categorical" else _far_numbers
        for row, reason in reasons(columns[feature.name], feature):
            found[row][feature.name] = reason
    return found


def _new_texts(column: npt.NDArray[Any], feature: Feature) -> Iterator[tuple[int, str]]:
    known = {"", *map(str, feature.categories)}
    for row, text in enumerate(column.tolist()):
        if text not in known:
            yield row, f"{text!r} was not seen in training"
        elif not text and feature.missing == 0:
            yield row, _MISSING


def _far_numbers(column: npt.NDArray[Any], feature: Feature) -> Iterator[tuple[int, str]]:
    if feature.missing == 0:
        for row in np.flatnonzero(np.isnan(column)).tolist():
            yield row, _MISSING
    if feature.minimum is None or feature.maximum is None:
        return
    # As the tensor has them: a constant is itself there too.
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
