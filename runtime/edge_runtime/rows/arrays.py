"""From what a person passes to the tensors that a model declares."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.tensors import TensorSpec


def as_tensor(value: Any, spec: TensorSpec) -> Any:
    """`value` as a C-contiguous array of the type and shape that `spec` declares.

    Numbers are cast where no meaning is lost: any number to a float, integers among themselves where they fit.

    Args:
        value: an array or anything that `numpy.asarray` takes.
        spec: the input it is for.

    Returns:
        The array; `value` itself where the declared type has no counterpart in numpy.

    Raises:
        InvalidInput: it has another kind, shape or range than declared.
    """
    if spec.dtype is None:
        return value
    if (
        type(value) is np.ndarray
        and value.dtype == spec.dtype
        and value.flags.c_contiguous
        and spec.dtype != np.object_
    ):
        _check_shape(value, spec)
        return value
    array = as_array(value, spec.name)
    _check_shape(array, spec)
    return cast(array, spec.dtype, (spec.name,))


def as_matrix(rows: Any, dtype: np.dtype[Any], features: tuple[str, ...]) -> npt.NDArray[Any]:
    """`rows` as a C-contiguous matrix of shape (rows, features), of the type `dtype`.

    Args:
        rows: one row (one-dimensional) or many (two-dimensional) of numbers.
        dtype: a floating type.
        features: the names of the columns.

    Raises:
        InvalidInput: a row has another number of values than there are features, or a value is no number that the
            type can hold.
    """
    if type(rows) is np.ndarray and rows.ndim == 2 and rows.dtype == dtype and rows.shape[1] == len(features):
        return rows if rows.flags.c_contiguous else np.ascontiguousarray(rows)
    return cast(as_table(as_array(rows, "rows"), features), dtype, features)


def as_table(array: npt.NDArray[Any], features: tuple[str, ...]) -> npt.NDArray[Any]:
    """`array`, one row or many, with two dimensions. Raises InvalidInput: there are not as many columns as features."""
    table = array if array.ndim == 2 else np.atleast_2d(array)
    if table.ndim != 2 or table.shape[1] != len(features):
        found = table.shape[1] if table.ndim == 2 else f"shape {table.shape}"
        values = "value" if len(features) == 1 else "values"
        raise InvalidInput(f"a row has {len(features)} {values} ({_listed(features)}), found {found}")
    return table


def as_array(value: Any, name: str) -> npt.NDArray[Any]:
    """`value` as numpy has it; objects that all are numbers as float64. Raises InvalidInput, with `name` before it."""
    # numpy.ma is loaded by whoever makes a masked array.
    if "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray):
        raise InvalidInput(f"{name}: a masked array has gaps; fill them first")
    try:
        array = np.asarray(value)
        # Integers beyond 64 bits are numbers too, and whatever else Python has as a number.
        if array.dtype.kind == "O" and all(hasattr(type(element), "__float__") for element in array.flat):
            array = array.astype(np.float64)
        return array
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        # Ragged lists; integers beyond float64; a torch tensor on a GPU or with a gradient.
        raise InvalidInput(f"{name}: not an array: {error}") from error


def cast(array: npt.NDArray[Any], dtype: np.dtype[Any], names: tuple[str, ...]) -> npt.NDArray[Any]:
    """`array` as `dtype`, contiguous; `names` are those of its columns, or the one name of all of it.

    Raises:
        InvalidInput: its type is of another kind, or a value does not fit.
    """
    if dtype == np.object_:
        if array.dtype.kind not in "OU":
            raise InvalidInput(f"{names[0]}: text is expected, found {array.dtype}")
        # ONNX Runtime would take None for the text "None".
        if other := [element for element in array.flat if not isinstance(element, str)]:
            raise InvalidInput(f"{names[0]}: text is expected, found {other[0]!r}")
        return np.asarray(array, dtype=np.object_, order="C")
    if array.dtype == dtype:
        return np.asarray(array, order="C")
    kinds = {"f": "fiub", "i": "iub", "u": "iub", "b": "b"}[dtype.kind]
    if array.dtype.kind not in kinds:
        found = "text" if array.dtype.kind in "US" else "objects" if array.dtype.kind == "O" else str(array.dtype)
        raise InvalidInput(f"{_listed(names)}: {dtype} is expected, found {found}")
    if dtype.kind == "f":
        try:
            with np.errstate(over="raise"):
                return array.astype(dtype, order="C")
        except FloatingPointError:
            pass
    with np.errstate(over="ignore"):
        cast = array.astype(dtype, order="C")
    lost = np.isinf(cast) & np.isfinite(array) if dtype.kind == "f" else cast != array
    if lost.any():
        name = names[0] if len(names) == 1 else names[np.argwhere(lost)[0][-1]]
        raise InvalidInput(f"{name}: {array[lost][0]} does not fit {dtype}")
    return cast


def _check_shape(array: npt.NDArray[Any], spec: TensorSpec) -> None:
    if not spec.takes(array.shape):
        raise InvalidInput(f"the model takes {spec}, found shape {list(array.shape)}")


def _listed(names: tuple[str, ...], most: int = 12) -> str:
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])}, ... {names[-1]}"
