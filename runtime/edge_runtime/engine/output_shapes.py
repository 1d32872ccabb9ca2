"""Whether outputs have the shapes that they must have: ONNX Runtime may return others than the file declares."""

from typing import Any

import numpy as np

from edge_runtime.contract.errors import InferenceFailed
from edge_runtime.contract.tensors import TensorSpec


def check_shape(output: Any, spec: TensorSpec, rows: int | None) -> None:
    """Refuse an output whose shape is not the declared one: ONNX Runtime does not compare them.

    Args:
        output: what ONNX Runtime returned.
        spec: what the file declares.
        rows: how many rows there are, instead of the declared number; None if it is not known.

    Raises:
        InferenceFailed: it has another number of rows, of axes, or of elements on an axis.
    """
    shape = output.shape if isinstance(output, np.ndarray) else None
    check_sizes(shape, spec, rows, type(output).__name__)


def check_sizes(shape: tuple[int, ...] | None, spec: TensorSpec, rows: int | None, kind: str = "") -> None:
    """As `check_shape`, for an array of this shape; without a shape it is not an array, but a `kind`."""
    is_array, shape = shape is not None, shape or ()
    if len(shape) == len(spec.shape) and (rows is None or shape[:1] == (rows,)):
        for size, wanted in zip(shape[1:], spec.shape[1:], strict=True):
            if size != wanted and isinstance(wanted, int):
                break
        else:
            return
    if rows is not None and shape and shape[0] != rows:
        raise InferenceFailed(f"the model returns {shape[0]:,} rows of {spec.name} for {rows:,}")
    found = f"an array of shape {list(shape)}" if is_array else kind
    raise InferenceFailed(f"the model returns {found}, but declares {spec}")
