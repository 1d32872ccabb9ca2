"""Outputs that nothing is seen to change, such as those of a layer whose weights are zero: any file gives the same."""

from collections.abc import Sequence

import numpy as np

from edge_export.tensors import Array, Tensors


def constant_outputs(calls: Sequence[Tensors]) -> list[str]:
    """The names of the outputs that are the same for all rows of all calls, or in all calls if they hold no rows.

    Args:
        calls: what torch gives in float64, a mapping of outputs for each call. One row or call alone says nothing.
    """
    return [name for name in calls[0] if _is_constant([call[name] for call in calls])]


def _is_constant(values: Sequence[Array]) -> bool:
    first = values[0]
    if not first.size:
        return False
    if first.ndim and len({value.shape[1:] for value in values}) == 1 and len({len(value) for value in values}) > 1:
        # The first axis is that of rows.
        rows = np.concatenate(values)
        return bool(np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape), equal_nan=True))
    same = (value.shape == first.shape and np.array_equal(value, first, equal_nan=True) for value in values[1:])
    return len(values) > 1 and all(same)
