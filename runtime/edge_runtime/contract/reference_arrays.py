"""The arrays of reference rows in a certificate's JSON: stored, or described by a rule that any device can follow.

An array is its elements in C order, little-endian, in base64; an array of strings is a list of them (version 2):

    {"dtype": "float32", "shape": [1, 2], "data": "AACAvwAAgD8="}
    {"dtype": "string", "shape": [2, 1], "data": ["Biscoe", ""]}

Version 3 has three more ways, for rows that would take more of the file than they should:

- `stored` is the type and the shape of the data, if they are not the array's: it is cast to the array's type and
  broadcast to its shape. A tolerance that is the same everywhere is one number.

      {"dtype": "float32", "shape": [1, 8, 50257], "stored": {"dtype": "float32", "shape": [1, 1, 1]}, "data": "..."}

- `generated` takes the place of the data of an input, see `Generated`.
- `selected` says which elements of an output are compared, see `Selected`.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract import schema
from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.tensors import NUMPY_TYPES
from edge_runtime.contract.terminal import counted

# The most elements of an array whose data does not hold them all, so that a damaged file cannot fill the memory.
MOST_ELEMENTS = 2**26
# And of all these arrays of a certificate.
_MOST_IN_ALL = 8 * MOST_ELEMENTS

# As many as numpy has.
_MOST_AXES = 64
_DTYPES = {dtype.name: dtype for dtype in map(np.dtype, NUMPY_TYPES.values()) if dtype != np.object_}
_INTEGERS = tuple(map(np.dtype, (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32)))


@dataclass(frozen=True)
class Generated:
    """Numbers that a device computes by itself: `offset + scale * step`, with a random `step` from 0 to `steps` - 1.

    The step of the element at the place i, in C order, is `x * steps` divided by 2**32 and rounded down. x is the
    finalizer of MurmurHash3 on i + 0x9E3779B9 * seed, all in unsigned 32-bit arithmetic:

        x ^= x >> 16;  x *= 0x85EBCA6B;  x ^= x >> 13;  x *= 0xC2B2AE35;  x ^= x >> 16

    Floats are computed in float64 and rounded to the array's type; `scale` is a power of two, so that the product is
    exact and it does not matter whether it is fused with the sum. For integers and booleans `offset` is an integer and
    `scale` is 1.
    """

    seed: int
    offset: float
    scale: float
    steps: int

    def array(self, shape: Sequence[int], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """The numbers as an array."""
        x = np.arange(math.prod(shape), dtype=np.uint32) + np.uint32(0x9E3779B9 * self.seed % 2**32)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            x ^= x >> np.uint32(shift)
            x *= np.uint32(factor)
        x ^= x >> np.uint32(16)
        step = (x.astype(np.uint64) * np.uint64(self.steps)) >> np.uint64(32)
        if dtype.kind == "f":
            values: npt.NDArray[Any] = self.offset + self.scale * step.astype(np.float64)
        else:
            values = int(self.offset) + step.astype(np.int64)
        with np.errstate(over="ignore"):
            return values.astype(dtype).reshape(shape)


@dataclass(frozen=True)
class Selected:
    """Elements from all over an output: those at the places 0, `stride`, 2 * `stride`, ... modulo its size.

    Attributes:
        shape: the shape of the whole output.
        stride: has no divisor in common with the number of elements, so that no place comes twice.
    """

    shape: tuple[int, ...]
    stride: int

    @classmethod
    def evenly(cls, shape: Sequence[int]) -> "Selected":
        """The selection of an output of `shape` whose first elements lie apart, however many are taken."""
        size = max(1, math.prod(shape))
        stride = round(size * (math.sqrt(5) - 1) / 2) or 1
        while math.gcd(stride, size) != 1:
            stride += 1
        return cls(tuple(shape), stride)

    def places(self, count: int) -> npt.NDArray[np.int64]:
        """The places of the first `count` elements, in C order, shape (count,)."""
        return np.arange(count, dtype=np.int64) * self.stride % max(1, math.prod(self.shape))


def compacted(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The smallest array that gives `array` when it is cast to its type and broadcast to its shape."""
    if array.dtype == np.object_ or not array.size:
        return array
    result = array
    bits = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")  # so that NaN equals NaN, and 0.0 not -0.0
    for axis in range(array.ndim):
        first = bits.take([0], axis)
        if (bits == first).all():
            result, bits = result.take([0], axis), first
    if result.dtype.kind in "iu":
        fitting = [one for one in _INTEGERS if one.itemsize < result.dtype.itemsize and _holds(one, result)]
        result = result.astype(fitting[0]) if fitting else result
    return result


def check_batches(batches: int, limits: Limits) -> None:
    """Refuse more batches of reference rows than `limits` allow. Raises InvalidModel."""
    if limits.reference_batches is not None and batches > limits.reference_batches:
        found = f"{counted(batches, 'batch', 'batches')} of reference rows; the limit is {limits.reference_batches:,}"
        raise InvalidModel(f"the certificate has {found}{how_to_raise('reference_batches')}")


def check_reference(reference: Sequence[Mapping[str, Any]], limits: Limits) -> None:
    """Refuse reference rows, as JSON has them, that would take long to read, or much memory.

    Before arrays are made of them. Call it within `schema.reading`.

    Raises:
        InvalidModel: there are more than `limits` allow.
        KeyError, TypeError, ValueError: they have too many numbers that are not stored, or are damaged.
    """
    check_batches(len(reference), limits)
    elements = 0
    for batch in reference:
        for array in (array for part in ("inputs", "expected", "tolerance") for array in batch[part].values()):
            # Arrays that are stored whole take no more memory than the file.
            if "generated" in array or "stored" in array:
                elements += math.prod(read_shape(array["shape"]))
    if elements > _MOST_IN_ALL:
        raise ValueError(f"its reference rows have {elements:,} numbers that it does not store")


def plain_array(array: npt.NDArray[Any], compact: bool = False) -> dict[str, Any]:
    """`array` as JSON has it; if `compact`, with `stored` where that takes less.

    Raises:
        TypeError, ValueError: it has a type that a certificate cannot hold, or objects other than strings that UTF-8
            can encode.
    """
    described: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape)}
    if array.dtype == np.object_:
        strings = array.ravel().tolist()
        "".join(strings).encode()
        return {**described, "dtype": "string", "data": strings}
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"a certificate cannot hold an array of {array.dtype}")
    stored = compacted(array) if compact else array
    if stored.nbytes < array.nbytes and array.size <= MOST_ELEMENTS:
        described["stored"] = {"dtype": stored.dtype.name, "shape": list(stored.shape)}
    else:
        stored = array
    data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    return {**described, "data": base64.b64encode(data).decode()}


def plain_generated(array: npt.NDArray[Any], generated: Generated) -> dict[str, Any]:
    """An input that `generated` gives, as JSON has it."""
    return {"dtype": array.dtype.name, "shape": list(array.shape), "generated": vars(generated)}


def read_array(plain: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The array that `plain` describes. Call it within `schema.reading`.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    shape = read_shape(plain["shape"])
    if plain["dtype"] == "string":
        if not isinstance(plain["data"], list):
            raise TypeError("an array of strings is not a list")
        return np.array([schema.text(value) for value in plain["data"]], np.object_).reshape(shape)
    dtype = _dtype(plain["dtype"])
    if ("generated" in plain or "stored" in plain) and math.prod(shape) > MOST_ELEMENTS:
        raise ValueError(f"an array has the shape {list(shape)}, too large for a reference row")
    if "generated" in plain:
        return read_generated(plain["generated"], dtype).array(shape, dtype)
    stored = plain.get("stored", plain)
    stored_dtype = _dtype(stored["dtype"])
    data = base64.b64decode(plain["data"], validate=True)
    if stored_dtype == np.bool_ and not set(data) <= {0, 1}:
        raise ValueError("a boolean is neither true nor false")
    found = np.frombuffer(data, stored_dtype.newbyteorder("<")).reshape(read_shape(stored["shape"]))
    if "stored" in plain and stored_dtype != dtype and not (stored_dtype.kind in "iu" and dtype.kind in "iu"):
        raise ValueError(f"an array of {dtype} is stored as {stored_dtype}")
    # A copy, since ONNX Runtime takes contiguous arrays; by itself it would have the order of what is repeated.
    return np.array(np.broadcast_to(found.astype(dtype), shape), order="C")


def read_generated(plain: Mapping[str, Any], dtype: np.dtype[Any]) -> Generated:
    """The rule that `plain` describes, for an array of `dtype`. Raises as `read_array`."""
    seed, steps = plain["seed"], plain["steps"]
    offset, scale = plain["offset"], plain["scale"]
    if not all(type(value) is int and 0 <= value <= 2**32 for value in (seed, steps)) or not steps:
        raise ValueError(f"a generated array has the seed {seed!r} and {steps!r} steps")
    if not all(type(value) in (int, float) for value in (offset, scale)):
        raise TypeError(f"a generated array has the offset {offset!r} and the scale {scale!r}")
    if dtype.kind != "f":
        limits = np.iinfo(np.uint8 if dtype == np.bool_ else dtype)
        if type(offset) is not int or scale != 1 or not limits.min <= offset <= offset + steps - 1 <= limits.max:
            raise ValueError(f"a generated array of {dtype} has the offset {offset!r} and {steps} steps")
    elif math.frexp(scale)[0] != 0.5:
        raise ValueError(f"a generated array has the scale {scale!r}, no power of two")
    return Generated(seed, offset, scale, steps)


def read_selected(plain: Mapping[str, Any], count: int) -> Selected:
    """The selection that `plain` describes, of which `count` elements are kept. Raises as `read_array`."""
    shape, stride = read_shape(plain["shape"]), plain["stride"]
    size = math.prod(shape)
    if not count <= size < 2**40 or type(stride) is not int or not 0 < stride <= max(1, size):
        raise ValueError(f"{count} elements are selected of the shape {list(shape)} with the stride {stride!r}")
    if math.gcd(stride, size) != 1:
        raise ValueError(f"the stride {stride} does not reach all elements of the shape {list(shape)}")
    return Selected(shape, stride)


def _holds(dtype: np.dtype[Any], values: npt.NDArray[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= int(values.min()) and int(values.max()) <= limits.max)


def read_shape(plain: Any) -> tuple[int, ...]:
    """The shape that `plain` is. Raises as `read_array`."""
    if len(plain) > _MOST_AXES:
        raise ValueError(f"an array has {len(plain)} axes")
    # numpy would compute a size of -1 by itself.
    if not all(type(size) is int and size >= 0 for size in plain):
        raise ValueError(f"an array has the shape {plain}")
    return tuple(plain)


def _dtype(plain: Any) -> np.dtype[Any]:
    dtype = _DTYPES.get(plain)
    if dtype is None:
        raise ValueError(f"an array has the unknown type {plain!r}")
    return dtype
