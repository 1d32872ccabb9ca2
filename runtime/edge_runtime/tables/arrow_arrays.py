"""From numbers of numpy and from strings to arrays of Arrow, and back.

`pyarrow.array` imports pandas wherever it is installed, which takes as long as to score a million rows; old versions of
`DataType.to_pandas_dtype` fail where it is not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.values import category_string


def of_numbers(values: npt.NDArray[Any]) -> Any:
    """Numbers, shape (rows,), as a `pyarrow.Array` of their own type, without a copy if they lie side by side."""
    if values.dtype.kind not in "iuf":
        return pa.array(values.tolist() if values.dtype == np.object_ else np.ascontiguousarray(values))
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def of_strings(words: Sequence[str]) -> Any:
    """Strings as a `pyarrow.StringArray`."""
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def as_numpy(array: Any, null: float = 0) -> npt.NDArray[Any]:
    """A `pyarrow.Array` of numbers as an array of numpy, with `null` for nulls; without a copy if there are none."""
    kind = array.type
    letter = "f" if pa.types.is_floating(kind) else "u" if pa.types.is_unsigned_integer(kind) else "i"
    dtype = np.dtype(f"{letter}{kind.bit_width // 8}")
    if not len(array):
        return np.empty(0, dtype)
    values = np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)
    return np.where(are_null(array), dtype.type(null), values) if array.null_count else values


def are_null(array: Any) -> npt.NDArray[np.bool_]:
    """Which values of a `pyarrow.Array` of any type but unions and run-end-encoded ones are null, shape (rows,)."""
    if not array.null_count:
        return np.zeros(len(array), np.bool_)
    if (bits := array.buffers()[0]) is None:  # of the type null
        return np.ones(len(array), np.bool_)
    first = array.offset // 8
    count = (array.offset + len(array) + 7) // 8 - first
    are_valid = np.unpackbits(np.frombuffer(bits, np.uint8, count, first), bitorder="little")
    return np.equal(are_valid[array.offset % 8 :][: len(array)], 0)


def is_text(kind: Any) -> bool:
    """Whether a type of Arrow is one of its types of strings."""
    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def spelled(values: Sequence[Any]) -> Any:
    """Values of different types as a `pyarrow.StringArray`, spelled as categories; null for None."""
    return pa.array([None if value is None else category_string(value) for value in values], pa.string())
