"""How the values of a column are distributed, as the bars of a small picture beside its name."""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.category_codes import FIRST_CATEGORY
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.signature import Feature
from edge_train.dataset import Dataset

_BARS = 24
# More rows do not change what can be seen.
_MOST_ROWS = 100_000
# Rare values far away would leave one bar: what is further out is counted in the outer bars.
_OUTER = 0.01


def histograms(dataset: Dataset) -> dict[str, tuple[int, ...]]:
    """How many training rows there are in each bar, by feature, without missing values.

    Numbers and dates have up to 24 bars of equal width, from their 1st to their 99th percentile; categories have one
    for each of the 24 most frequent ones; booleans have false and true.
    """
    return {
        feature.name: _bars(feature, dataset.train.inputs[tensor.name][:_MOST_ROWS, place])
        for tensor in dataset.signature.inputs
        for place, feature in enumerate(tensor.features)
    }


def value_bars(values: npt.NDArray[Any]) -> tuple[int, ...]:
    """How many of some numbers there are in each bar; a single one if they are all equal."""
    if not len(values):
        return ()
    wide = values.astype(np.float64)
    low, high = np.quantile(wide, [_OUTER, 1 - _OUTER])
    if low == high:
        low, high = wide.min(), wide.max()
    if low == high:
        return (len(values),)
    counts, _ = np.histogram(wide.clip(low, high), _BARS, (low, high))
    return tuple(counts.tolist())


def _bars(feature: Feature, values: npt.NDArray[Any]) -> tuple[int, ...]:
    if feature.kind == "categorical":
        counts = np.bincount(values, minlength=FIRST_CATEGORY)[FIRST_CATEGORY:]
        return tuple(np.sort(counts)[::-1][:_BARS].tolist())
    if feature.kind == "date":
        return value_bars(values[values != MISSING_DATE])
    known = values[~np.isnan(values)]
    if feature.kind == "boolean":
        return int((known == 0).sum()), int((known == 1).sum())
    return value_bars(known)
