"""Arrays by name: what one call of a program takes and gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

BATCH = "batch"

Array: TypeAlias = npt.NDArray[Any]

# The tensors of one call by name; the first axis of each is the batch if the program has one.
Tensors: TypeAlias = Mapping[str, Array]

# The name of each axis of an input whose size may change from call to call; None for an axis of fixed size.
Axes: TypeAlias = Sequence[str | None]

# Computes outputs from inputs, both by name: an exported file, for example.
Run: TypeAlias = Callable[[Tensors], Tensors]


def count_rows(batch: Tensors) -> int:
    """The number of rows of a batch."""
    return len(next(iter(batch.values())))


def repeated(values: Array, axis: int, size: int) -> Array:
    """`values` at `size` places along `axis`: cut, or beginning anew where they end."""
    found: Array = values.take(np.arange(size) % values.shape[axis], axis)
    return found


def take(rows: Tensors, indices: npt.NDArray[np.intp]) -> Tensors:
    """The rows of a batch at `indices`, shape (rows taken,)."""
    return {name: values[indices] for name, values in rows.items()}


def evenly_spaced(count: int, most: int) -> npt.NDArray[np.intp]:
    """At most `most` of the places 0 to `count` - 1, evenly spaced from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def row_shapes(batch: Tensors) -> tuple[tuple[int, ...], ...]:
    """The shape of one row of each tensor."""
    return tuple(values.shape[1:] for values in batch.values())


def join(batches: Sequence[Tensors]) -> Tensors:
    """The rows of several batches as one batch."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def within(batch: Tensors, largest: float) -> npt.NDArray[np.bool_]:
    """Whether all finite numbers at each place on the first axis are at most `largest` in magnitude, shape (rows,)."""
    arrays = [np.atleast_1d(values) for values in batch.values()]
    inside = np.ones(len(arrays[0]), np.bool_)
    for values in arrays:
        if values.dtype.kind == "f":
            # In float64: a narrower type may not hold `largest`.
            small = np.abs(np.where(np.isfinite(values), values, 0), dtype=np.float64) <= largest
            rows = np.asarray(small.reshape(len(values), -1).all(axis=1))
            inside &= rows if len(rows) == len(inside) else rows.all()
    return inside


def largest_magnitude(values: Array) -> float:
    """The largest finite magnitude in `values`; 0 if it has no finite number."""
    return float(np.abs(values[np.isfinite(values)], dtype=np.float64).max(initial=0.0))
