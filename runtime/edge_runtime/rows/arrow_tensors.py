"""From a column of Arrow to an input that has no named features, such as those of ONNX files from elsewhere."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.terminal import shortened
from edge_runtime.rows.arrow_columns import Column, read_column

# How a string stands for an integer: as in `contract.values`, without Python's digit grouping.
_BIGGEST_DIGITS = 25


def check_spec(spec: TensorSpec) -> None:
    """Refuse an input that cannot be read from a column.

    Raises:
        InvalidInput: it is not a tensor of a type that numpy has, or its first axis is not that of any number of rows.
    """
    if spec.dtype is None:
        raise InvalidInput(f"{spec} is not a tensor of numbers, booleans or strings, so it cannot be a column")
    if not spec.shape or isinstance(spec.shape[0], int):
        raise InvalidInput(f"{spec} does not take any number of rows, so it cannot be a column; use Predictor.run")


def read_tensor(array: Any, spec: TensorSpec) -> Column:
    """Read a column as an input.

    Args:
        array: a `pyarrow.Array`, shape (rows,): of numbers, booleans or strings for an input with one value a row; of
            lists, nested as the input's axes are, for one with several.
        spec: the input; its first axis is that of the rows.

    Returns:
        Its values, shape (rows, ...), of the type that `spec` declares, and the refused ones.

    Raises:
        InvalidInput: the column is not nested as the input is.
    """
    assert spec.dtype is not None
    axes = spec.shape[1:]
    if all(size == 1 for size in axes):
        column = _values(array, spec.name, spec.dtype)
        return Column(column.values.reshape(-1, *axes), column.refused)
    return _nested(array, spec, list(axes))


def _values(array: Any, name: str, dtype: np.dtype[Any]) -> Column:
    if dtype.kind == "f":
        column = read_column(array, Feature(name), dtype)
        # Only what features hold is bound to float32.
        for place in list(column.refused) if dtype == np.float64 and pa.types.is_floating(array.type) else ():
            if array[place].is_valid:
                column.values[place] = array[place].as_py()
                del column.refused[place]
        return column
    if dtype.kind == "b":
        return read_column(array, Feature(name, "boolean"), dtype)
    if dtype.kind in "iu" and pa.types.is_integer(array.type) and not array.null_count:
        values = array.to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            column = Column(values.astype(dtype))
        # Two integers of 64 bits with and without a sign are compared as they are.
        for place in np.flatnonzero((column.values != values) | ((column.values < 0) != (values < 0))).tolist():
            column.refused[place] = f"{values[place]} does not fit {dtype}"
        return column
    read = _string if dtype == np.object_ else _integer
    column = Column(np.empty(len(array), dtype))
    for place, scalar in enumerate(array):
        try:
            column.values[place] = read(scalar.as_py(), dtype)
        except InvalidInput as error:
            column.refused[place] = str(error)
        except (ValueError, OverflowError) as error:
            column.refused[place] = f"the value cannot be read: {shortened(str(error))}"
    return column


def _string(value: Any, dtype: np.dtype[Any]) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"strings are expected, found {shortened(repr(value))}")
    return value


def _integer(value: Any, dtype: np.dtype[Any]) -> int:
    number = value
    if isinstance(value, str) and len(value) <= _BIGGEST_DIGITS:
        try:
            number = int(value.replace("_", "?"))
        except ValueError:
            number = value
    elif isinstance(value, float) and math.isfinite(value) and value.is_integer():
        number = int(value)
    if not isinstance(number, int):
        raise InvalidInput(f"{dtype} is expected, found {shortened(repr(value))}")
    limits = np.iinfo(dtype)
    if not limits.min <= number <= limits.max:
        raise InvalidInput(f"{number} does not fit {dtype}")
    return number


def _nested(array: Any, spec: TensorSpec, axes: list[int | str | None]) -> Column:
    """As `read_tensor`, for an input with several values a row."""
    assert spec.dtype is not None
    rows = len(array)
    column = Column(np.empty(0, spec.dtype))
    owners: npt.NDArray[Any] = np.arange(rows)
    is_bad = np.zeros(rows, np.bool_)
    shape = [rows]
    for axis in axes:
        if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or _is_fixed(array.type)):
            raise InvalidInput(f"{spec.name}: lists of shape {_shown(spec)} are expected, found {array.type}")
        lengths = np.array([-1 if one is None else one for one in _lengths(array)], np.int64)
        present = lengths[(lengths >= 0) & ~is_bad[owners]]
        size = axis if isinstance(axis, int) else int(present[0]) if len(present) else 0
        for owner, length in zip(owners[lengths != size].tolist(), lengths[lengths != size].tolist(), strict=True):
            is_bad[owner] = True
            found = "the value is missing" if length < 0 else f"found {length}"
            column.refused.setdefault(owner, f"{size} values are needed, {found}")
        keep = np.flatnonzero(lengths == size)
        array = array.take(pa.array(keep)).flatten()
        owners = np.repeat(owners[keep], size)
        shape.append(size)
    inner = _values(array, spec.name, spec.dtype)
    for place, reason in inner.refused.items():
        column.refused.setdefault(int(owners[place]), reason)
        is_bad[owners[place]] = True
    column.values = np.zeros(shape, spec.dtype)
    if spec.dtype == np.object_:
        column.values[...] = ""
    whole = ~is_bad
    column.values[whole] = inner.values[whole[owners]].reshape(-1, *shape[1:])
    return column


def _is_fixed(kind: Any) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))


def _lengths(array: Any) -> list[int | None]:
    lengths: list[int | None] = array.value_lengths().to_pylist()
    return lengths


def _shown(spec: TensorSpec) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in spec.shape[1:])}]"
