"""Tensors in the Open Inference Protocol: its datatypes, and their elements as JSON and as bytes."""

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.rows.arrays import as_array, cast

Array = npt.NDArray[Any]

# By the names of ONNX Runtime and of numpy.
_DATATYPES = {
    **{
        name: name.upper()
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
    },
    "float16": "FP16",
    "float": "FP32",
    "float32": "FP32",
    "double": "FP64",
    "float64": "FP64",
    "bfloat16": "BF16",
    "string": "BYTES",
    "object": "BYTES",
}
_DTYPES = {
    datatype: np.dtype(name)
    for name, datatype in _DATATYPES.items()
    if name not in ("float", "double", "string", "bfloat16")
}
# What numpy takes at most.
_AXES, _LONGEST = 64, 2**63 - 1
_OF_DTYPES = {dtype: datatype for datatype, dtype in _DTYPES.items()}


def datatype_of(spec: TensorSpec) -> str | None:
    """The protocol's name for the type that a model declares; None if the protocol does not have it."""
    return _DATATYPES.get((spec.present or spec).element or "")


def datatype_of_array(array: Array) -> str | None:
    """The protocol's name for the type of `array`."""
    # numpy takes longer to name a type than to find one.
    return _OF_DTYPES.get(array.dtype) or _DATATYPES.get(array.dtype.name)


def dtype_of(datatype: object, name: str) -> np.dtype[Any]:
    """The numpy type for a datatype of the protocol.

    Raises:
        InvalidInput: it is not one, or needs ml_dtypes, which is not installed.
    """
    if datatype == "BF16":
        try:
            import ml_dtypes
        except ImportError:
            raise InvalidInput(
                f"{name}: the server cannot read BF16 without ml_dtypes; pip install ml_dtypes"
            ) from None
        dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return dtype
    if not isinstance(datatype, str) or datatype not in _DTYPES:
        raise InvalidInput(f"{name}: unknown datatype {datatype!r}; the protocol has {', '.join(_DTYPES)} and BF16")
    return _DTYPES[datatype]


def from_json(tensor: Mapping[str, Any], name: str) -> Array:
    """The array in an input's `data`, nested or flat.

    Raises:
        InvalidInput: `data`, `shape` or `datatype` is missing or does not fit the others.
    """
    dtype, shape = dtype_of(tensor.get("datatype"), name), _shape(tensor, name)
    if "data" not in tensor:
        raise InvalidInput(f"{name} has no data: neither a list, nor binary_data_size among its parameters")
    data = tensor["data"]
    if not isinstance(data, list):
        raise InvalidInput(f"{name}: data must be a list, found {type(data).__name__}")
    if dtype.kind == "O":
        data = np.array(data, object)
    array = as_array(data, name, dtype)
    # What has exactly the type that the model declares needs no further check.
    if dtype.kind == "f" and array.dtype.kind == "f":
        array = cast(array, dtype, (name,))
    return _shaped(array, shape, name)


def from_bytes(tensor: Mapping[str, Any], name: str, content: memoryview) -> Array:
    """The array whose elements are `content`.

    Raises:
        InvalidInput: it does not have as many bytes as `shape` and `datatype` say, or strings that are not UTF-8.
    """
    dtype, shape = dtype_of(tensor.get("datatype"), name), _shape(tensor, name)
    if dtype.kind == "O":
        return _shaped(_strings(content, name), shape, name)
    if len(content) % dtype.itemsize:
        raise InvalidInput(f"{name}: {len(content)} bytes are not elements of {tensor['datatype']}")
    array = _shaped(np.frombuffer(content, dtype), shape, name)
    # What follows JSON of any length may lie anywhere.
    return array if array.flags.aligned else array.copy()


def to_json(array: Array) -> Any:
    """The elements of `array` for `data`: a list, or a flat array that orjson writes."""
    if array.dtype.kind == "O":
        return array.ravel().tolist()
    return array.ravel() if array.dtype.kind in "fiub" else array.astype(np.float32).ravel()


def to_bytes(array: Array) -> bytes:
    """The elements of `array`, little-endian; strings with their lengths before them."""
    if array.dtype.kind != "O":
        return array.tobytes()
    parts = []
    for element in array.ravel().tolist():
        content = element if isinstance(element, bytes) else element.encode()
        parts += [struct.pack("<I", len(content)), content]
    return b"".join(parts)


def classes(array: Array, most: int, labels: tuple[Any, ...]) -> Array:
    """The `most` largest elements of each row of `array`, as strings "value:index" or "value:index:label".

    Raises:
        InvalidInput: its elements are not numbers.
    """
    if datatype_of_array(array) in ("BYTES", "BOOL"):
        raise InvalidInput("classification is for outputs that are numbers")
    rows = array.reshape(len(array) if array.ndim else 1, math.prod(array.shape[1:]))
    is_integer = array.dtype.kind in "iu"
    # Negative numbers of an unsigned type, and of the smallest of a signed one, are not what they should be.
    best = np.argsort(~rows if is_integer else -rows, axis=1, kind="stable")[:, :most]

    def shown(row: Array, index: int) -> str:
        label = f":{labels[index]}" if len(labels) == rows.shape[1] else ""
        return f"{row[index] if is_integer else format(float(row[index]), 'f')}:{index}{label}"

    found = [shown(row, index) for row, places in zip(rows, best, strict=True) for index in places]
    return np.array(found, object).reshape(best.shape)


def _strings(content: memoryview, name: str) -> Array:
    found, start = [], 0
    while start < len(content):
        if start + 4 > len(content):
            raise InvalidInput(f"{name}: its bytes end within the length of a string")
        (length,) = struct.unpack_from("<I", content, start)
        start += 4 + length
        if start > len(content):
            raise InvalidInput(f"{name}: its bytes end within a string")
        try:
            found.append(str(content[start - length : start], "utf-8"))
        except UnicodeDecodeError:
            raise InvalidInput(f"{name}: string {len(found)} is not UTF-8") from None
    return np.array(found, object)


def _shape(tensor: Mapping[str, Any], name: str) -> list[int]:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not {int}.issuperset(map(type, shape)) or min(shape, default=0) < 0:
        raise InvalidInput(f"{name}: shape must be a list of sizes, found {shape!r}")
    # The product of a million long numbers would take minutes.
    if len(shape) > _AXES or max(shape, default=0) > _LONGEST:
        raise InvalidInput(f"{name}: shape has more than {_AXES} axes, or one of more than {_LONGEST} elements")
    return shape


def _shaped(array: Array, shape: list[int], name: str) -> Array:
    if array.size != math.prod(shape):
        raise InvalidInput(f"{name}: shape {shape} has {math.prod(shape)} elements, found {array.size}")
    try:
        return array.reshape(shape)
    except ValueError as error:
        # Too many axes; or none has elements, and the others are too long.
        raise InvalidInput(f"{name}: shape {shape} is not that of a tensor: {error}") from None
