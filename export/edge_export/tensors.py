"""Arrays by name: what one call of a program takes and gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

BATCH = "batch"


# The tensors of one call by name; the first axis of each is the batch, where the program has one.
Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]


# Which axes of an input may change from call to call, by the name of their dimension; None where the size is fixed.
Axes: TypeAlias = Sequence[str | None]

Array: TypeAlias = npt.NDArray[Any]

# What computes outputs from inputs, by name: an exported file, for instance.
Run: TypeAlias = Callable[[Tensors], Tensors]


def within(batch: Tensors, largest: float) -> npt.NDArray[np.bool_]:
    """For each place on the first axis, whether its finite numbers are at most `largest` away from zero."""
    arrays = [np.atleast_1d(values) for values in batch.values()]
    inside = np.ones(len(arrays[0]), np.bool_)
    for values in arrays:
        if values.dtype.kind == "f":
            small = np.abs(np.where(np.isfinite(values), values, 0)) <= largest
            rows = np.asarray(small.reshape(len(values), -1).all(axis=1))
            inside &= rows if len(rows) == len(inside) else rows.all()
    return inside


def count_rows(batch: Tensors) -> int:
    """How many rows a batch has."""
    return len(next(iter(batch.values())))


def take(rows: Tensors, indices: npt.NDArray[np.intp]) -> Tensors:
    """Some rows of a batch."""
    return {name: values[indices] for name, values in rows.items()}
