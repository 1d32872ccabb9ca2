"""From arrays, and all that numpy converts to arrays, to the tensors that a model declares."""

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import EdgePredictError, InvalidInput
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.terminal import MOST_CHARACTERS, one_line, shortened
from edge_runtime.contract.values import listed

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def reading(read: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """`read`, which asks somebody's objects for their values: whatever they raise then, it raises `InvalidInput`."""

    @functools.wraps(read)
    def checked(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            return read(*arguments, **named)
        except EdgePredictError as error:
            # The representation of an array, or of a data frame, has several lines, and a model may have many inputs.
            message = str(error)
            if "\n" in message or len(message) > MOST_CHARACTERS:
                raise type(error)(shortened(one_line(message))) from error
            raise
        except MemoryError:
            raise
        except Exception as error:
            if is_from_handler(error):
                raise
            reason = shortened(one_line(error)) or type(error).__name__
            raise InvalidInput(f"what is passed cannot be read: {reason}") from error

    return checked


def as_tensor(value: Any, spec: TensorSpec) -> npt.NDArray[Any]:
    """`value` as a C-contiguous array of the type and shape that `spec` declares.

    Any number is cast to a float; integers are cast to other integer types if they fit.

    Args:
        value: an array, or anything that `numpy.asarray` takes.
        spec: the input that it is for, a tensor of a type that numpy has.

    Raises:
        InvalidInput: its kind, shape or range is not the declared one.
    """
    if (
        type(value) is np.ndarray
        and value.dtype == spec.dtype
        and value.flags.c_contiguous
        and spec.dtype != np.object_
    ):
        check_shape(value, spec)
        return value
    assert spec.dtype is not None
    if value is None:
        expected = "strings are" if spec.dtype == np.object_ else f"{spec.dtype} is"
        raise InvalidInput(f"{spec.name}: {expected} expected, found None")
    array = as_array(value, spec.name, spec.dtype)
    check_shape(array, spec)
    if array.dtype == np.object_ and spec.dtype.kind in "iub":
        array = _integers(array, spec)
    return cast(array, spec.dtype, (spec.name,))


def as_matrix(rows: Any, dtype: np.dtype[Any], features: tuple[str, ...]) -> npt.NDArray[Any]:
    """`rows` as a C-contiguous matrix.

    Args:
        rows: one row of numbers, shape (features,), or many, shape (rows, features).
        dtype: a floating type.
        features: the names of the columns.

    Returns:
        The matrix, shape (rows, features), of type `dtype`.

    Raises:
        InvalidInput: the number of values in a row is not the number of features, or a value is not a number that
            `dtype` can hold.
    """
    if type(rows) is np.ndarray and rows.ndim == 2 and rows.dtype == dtype and rows.shape[1] == len(features):
        return rows if rows.flags.c_contiguous else np.ascontiguousarray(rows)
    return cast(as_table(as_array(rows, "rows"), features), dtype, features)


def as_table(array: npt.NDArray[Any], features: tuple[str, ...]) -> npt.NDArray[Any]:
    """`array`, one row or many, with shape (rows, features).

    Raises:
        InvalidInput: the number of columns is not the number of features.
    """
    table = array if array.ndim == 2 else np.atleast_2d(array)
    if table.ndim != 2 or table.shape[1] != len(features):
        found = table.shape[1] if table.ndim == 2 else f"shape {table.shape}"
        values = "value" if len(features) == 1 else "values"
        raise InvalidInput(f"a row has {len(features)} {values} ({listed(features)}), found {found}")
    return table


def holds_no_rows(rows: Any) -> bool:
    """Whether `rows` is empty and says nothing of columns: an empty list, array, or data frame without columns."""
    # The usual cases: what follows takes as long as a third of a small call.
    kind = type(rows)
    if kind is list or kind is tuple:
        return not rows
    return False if kind is np.ndarray and rows.size else _says_no_rows(rows)


@reading
def _says_no_rows(rows: Any) -> bool:
    if isinstance(rows, list | tuple):
        return not rows
    shape = getattr(rows, "shape", None)
    return isinstance(shape, tuple) and shape in ((0,), (0, 0))


def as_array(value: Any, name: str, dtype: np.dtype[Any] | None = None) -> npt.NDArray[Any]:
    """`value` as numpy converts it; objects that are all numbers become numbers.

    Args:
        value: anything that `numpy.asarray` takes.
        name: what to call it in the message.
        dtype: what it is for. Integers among objects stay exact for an integer type, strings stay for strings, and what
            is empty may be of any type.

    Raises:
        InvalidInput: numpy cannot convert it, or it is a masked array in which a value is missing.
    """
    # Masked arrays exist only if something has imported numpy.ma.
    if "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InvalidInput(f"{name}: a masked array has missing values; fill them first")
    try:
        # numpy's own strings would lose the null characters at the end of Python's.
        array = np.asarray(value, np.object_ if dtype == np.object_ and isinstance(value, list | tuple) else None)
        if array.dtype.kind == "V" and array.dtype != dtype and array.dtype.type.__module__ == "ml_dtypes":
            # These hold every value of its types.
            array = array.astype(np.float32 if "float" in array.dtype.name else np.int8)
        if array.dtype == np.object_ and not array.shape and not _may_be_scalar(value):
            raise TypeError(f"found {type(value).__name__}")
        if dtype is not None and (not array.size or dtype == np.object_):
            return array if array.size else array.astype(dtype)
        # numpy rounds integers of which some are negative, or some too large for int64, to floats.
        if array.dtype.kind == "f" and dtype is not None and dtype.kind in "iu" and isinstance(value, list | tuple):
            return np.asarray(value, np.object_)
        if array.dtype.kind != "O" or (dtype is not None and dtype.kind in "iub"):
            return array
        # Integers beyond 64 bits are numbers too, and so are Python's other numeric types.
        if all(hasattr(type(one), "__float__") and not isinstance(one, np.complexfloating) for one in array.flat):
            array = array.astype(np.float64)
        return array
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        check_lengths(value, name)
        # Integers beyond float64; a torch tensor on a GPU or with a gradient.
        raise InvalidInput(f"{name}: not an array: {one_line(error)}") from error


def _may_be_scalar(value: Any) -> bool:
    """Whether `value`, of which numpy makes an array of one object, may be a number or a string."""
    return isinstance(value, np.ndarray) or hasattr(type(value), "__float__") or hasattr(type(value), "__index__")


def _integers(array: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[Any]:
    """Objects as the type that `spec` declares, if all are integers or booleans."""
    assert spec.dtype is not None
    is_bool = spec.dtype.kind == "b"
    low, high = (0, 1) if is_bool else (np.iinfo(spec.dtype).min, np.iinfo(spec.dtype).max)
    for element in array.flat:
        if not (isinstance(element, bool | np.bool_) if is_bool else hasattr(type(element), "__index__")):
            raise InvalidInput(f"{spec.name}: {spec.dtype} is expected, found {element!r}")
        if not low <= int(element) <= high:
            raise InvalidInput(f"{spec.name}: {element} does not fit {spec.dtype}")
    return array.astype(spec.dtype)


def check_lengths(rows: Any, name: str) -> None:
    """Refuse rows of different lengths, which numpy does not convert, or converts to an array of lists.

    Args:
        rows: a list or a tuple of rows, or anything else, which is not checked.
        name: what to call it in the message.

    Raises:
        InvalidInput: two rows that are lists or tuples have different lengths.
    """
    lengths = {len(row) for row in rows if isinstance(row, list | tuple)} if isinstance(rows, list | tuple) else set()
    if len(lengths) > 1:
        raise InvalidInput(f"{name}: all must have the same length, found {min(lengths)} and {max(lengths)} values")


def cast(array: npt.NDArray[Any], dtype: np.dtype[Any], names: tuple[str, ...]) -> npt.NDArray[Any]:
    """`array` as `dtype`, C-contiguous, with the same shape.

    Args:
        array: an array of any type.
        dtype: the type that the model declares.
        names: the names of its columns, or one name for the whole array.

    Raises:
        InvalidInput: its type is of another kind, or a value does not fit.
    """
    if dtype == np.object_:
        if array.dtype.kind not in "OUT":
            raise InvalidInput(f"{names[0]}: strings are expected, found {array.dtype}")
        # ONNX Runtime would take None for the string "None".
        if other := [element for element in array.flat if not isinstance(element, str)]:
            raise InvalidInput(f"{names[0]}: strings are expected, found {one_line(repr(other[0]))}")
        return np.asarray(array, dtype=np.object_, order="C")
    if array.dtype == dtype:
        return np.asarray(array, order="C")
    kinds = {"f": "fiub", "i": "iub", "u": "iub", "b": "b"}[dtype.kind]
    if array.dtype.kind not in kinds:
        found = {"U": "strings", "T": "strings", "S": "bytes", "O": "objects"}.get(array.dtype.kind, str(array.dtype))
        raise InvalidInput(f"{listed(names)}: {dtype} is expected, found {found}")
    result, beyond = cast_in_range(array, dtype)
    if beyond is not None:
        name = names[0] if len(names) == 1 else names[beyond[-1]]
        raise InvalidInput(f"{name}: {array[beyond]} does not fit {dtype}")
    return result


def cast_in_range(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], tuple[int, ...] | None]:
    """`values` as `dtype`, and the place of the first value that is beyond the range of `dtype`.

    A floating type rounds numbers, and keeps NaN and infinity. An integer type must hold the very same number.

    Args:
        values: booleans, integers or floats, any shape.
        dtype: a boolean, integer or floating type.

    Returns:
        The array, C-contiguous, with the shape of `values`; and the index of the first value, in C order, that `dtype`
        cannot hold, or None if it holds all of them.
    """
    if dtype.kind == "f":
        # In one pass over the values, if all is well.
        try:
            with np.errstate(over="raise"):
                return values.astype(dtype, order="C"), None
        except FloatingPointError:
            pass
    with np.errstate(over="ignore", invalid="ignore"):
        result = values.astype(dtype, order="C")
    beyond = np.isinf(result) & np.isfinite(values) if dtype.kind == "f" else result != values
    return result, tuple(np.argwhere(beyond)[0].tolist()) if beyond.any() else None


def check_shape(array: npt.NDArray[Any], spec: TensorSpec) -> None:
    """Refuse an array that does not have the shape that `spec` declares. Raises InvalidInput."""
    # ONNX Runtime reports no axes for a scalar, and for a tensor of any shape too; it checks scalars itself.
    if spec.shape and not spec.takes(array.shape):
        raise InvalidInput(f"the model takes {spec}, found shape {list(array.shape)}")
