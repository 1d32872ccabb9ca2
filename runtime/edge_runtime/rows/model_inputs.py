"""From what is passed for an input to what ONNX Runtime takes for it: tensors of any type, sequences and maps."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.values import FLOAT32_MAX
from edge_runtime.rows.arrays import as_array, as_tensor, check_shape


def as_input(value: Any, spec: TensorSpec) -> Any:
    """`value` as the type that `spec` declares.

    Args:
        value: for a tensor an array, or anything that `numpy.asarray` takes; for a sequence a list of its elements,
            or what can be iterated over; for a map a mapping; for an optional input what it is where it is given.
        spec: the input that it is for.

    Returns:
        A C-contiguous array, of a type of ml_dtypes if numpy does not have the declared one; a list for a sequence, a
        dict for a map. Values of types that are none of these pass unchanged.

    Raises:
        InvalidInput: it does not have the declared kind, shape or range; or ml_dtypes is needed, and is not installed.
    """
    if spec.dtype is not None:
        return as_tensor(value, spec)
    if spec.present is not None:
        return as_input(value, spec.present)
    if spec.ml_type is not None:
        return _ml_array(value, spec)
    if spec.item is not None:
        return _sequence(value, spec, spec.item)
    if spec.key_and_value is not None:
        return _map(value, spec, *spec.key_and_value)
    return value


def _ml_array(value: Any, spec: TensorSpec) -> npt.NDArray[Any]:
    if spec.ml_dtype is None:
        raise InvalidInput(f"{spec.name}: {spec.element} is a type of ml_dtypes; pip install ml_dtypes")
    array = as_array(value, spec.name, spec.ml_dtype)
    check_shape(array, spec)
    if array.dtype == spec.ml_dtype:
        return np.asarray(array, order="C")
    is_float = "float" in spec.ml_dtype.name
    if array.dtype.kind not in ("fiub" if is_float else "iub"):
        raise InvalidInput(f"{spec.name}: {spec.ml_dtype} is expected, found {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        result = array.astype(spec.ml_dtype, order="C")
        beyond = np.isfinite(array) & ~np.isfinite(result.astype(np.float64)) if is_float else result != array
    if beyond.any():
        raise InvalidInput(f"{spec.name}: {array[beyond].flat[0]} does not fit {spec.ml_dtype}")
    return result


def _sequence(value: Any, spec: TensorSpec, item: TensorSpec) -> list[Any]:
    try:
        if isinstance(value, str | bytes | Mapping):
            raise TypeError
        elements = list(value)
    except TypeError:
        raise InvalidInput(f"{spec.name}: a list is expected ({spec.type}), found {type(value).__name__}") from None
    return [
        as_input(element, TensorSpec(f"{spec.name}[{index}]", item.type, item.shape))
        for index, element in enumerate(elements)
    ]


def _map(value: Any, spec: TensorSpec, key_type: str, value_type: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{spec.name}: a dict is expected ({spec.type}), found {type(value).__name__}")
    if not value:
        raise InvalidInput(f"{spec.name}: ONNX Runtime does not take an empty map; give one key at least")
    return {
        _plain(key, f"a key of {spec.name}", key_type): _plain(one, f"{spec.name}[{key!r}]", value_type)
        for key, one in value.items()
    }


def _plain(value: Any, name: str, element: str) -> Any:
    """A key or a value of a map in Python's type for ONNX Runtime's type `element`."""
    converters: dict[str, Callable[[Any], Any]] = {"string": str, "int64": _int64, "float": _float32}
    try:
        if isinstance(value, str) != (element == "string"):
            raise TypeError
        return converters.get(element, float)(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{name}: {element} is expected, found {value!r}") from None


def _int64(value: Any) -> int:
    return int(np.int64(operator.index(value)))


def _float32(value: Any) -> float:
    number = float(value)
    if abs(number) > FLOAT32_MAX and not math.isinf(number):
        raise OverflowError
    return number
