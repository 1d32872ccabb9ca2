"""Rows on the decision boundary."""

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.tensors import Tensors


def decisions(program: Program, outputs: Tensors) -> npt.NDArray[np.int64] | None:
    """What `program` decides in each row, shape (rows, decisions): its label, else its integers and booleans.

    None if it decides nothing, or gives no row for each row.
    """
    if (classifier := program.classifier) is not None:
        return classifier.predicted(outputs[classifier.output]).reshape(-1, 1)  # type: ignore[no-any-return]
    discrete = [values for values in outputs.values() if values.dtype.kind != "f" and values.ndim]
    if not discrete or len({len(values) for values in discrete}) > 1:
        return None
    return np.concatenate([values.reshape(len(values), -1).astype(np.int64) for values in discrete], axis=1)


def _pairs(found: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Pairs of rows that decide otherwise, shape (pairs, 2): each row with the next one that differs from it."""
    pairs = []
    for row in range(len(found)):
        others = np.flatnonzero((found != found[row]).any(axis=1))
        if len(others):
            pairs.append((row, others[np.searchsorted(others, row) % len(others)]))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _differ(found: npt.NDArray[np.int64] | None, other: npt.NDArray[np.int64] | None) -> npt.NDArray[np.bool_]:
    assert found is not None
    assert other is not None
    return (found != other).any(axis=1)  # type: ignore[no-any-return]
