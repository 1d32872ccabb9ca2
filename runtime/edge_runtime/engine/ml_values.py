"""Tensors of types that numpy does not have, such as bfloat16: between ml_dtypes and ONNX Runtime.

ONNX Runtime's Python package neither takes nor returns arrays of ml_dtypes. It takes its own OrtValues, made of bytes,
and returns them with the address of theirs.
"""

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.tensors import TensorSpec, needs_ml_dtypes
from edge_runtime.engine import private_calls

# The ONNX numbers of the types: TensorProto.DataType.
_NUMBERS = {
    "bfloat16": 16,
    "float8e4m3fn": 17,
    "float8e4m3fnuz": 18,
    "float8e5m2": 19,
    "float8e5m2fnuz": 20,
    "uint4": 21,
    "int4": 22,
    "float4e2m1": 23,
    "float8e8m0": 24,
    "uint2": 25,
    "int2": 26,
}
# The types of ml_dtypes that fill a part of a byte: how many bits. ONNX packs them, the first in the lowest bits.
_BITS = {"float4_e2m1fn": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}


def given_by_default(outputs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Those of `outputs` that one call can return: all, if ml_dtypes is there where it is needed.

    Without it, and beside sequences and maps, which ONNX Runtime does not return together with them, those of its types
    are excluded, unless there are no others.
    """
    plain = tuple([spec for spec in outputs if not needs_ml_dtypes(spec.type) or spec.ml_type is None])
    if len(plain) in (0, len(outputs)):
        return tuple(outputs)
    return plain if any(spec.element is None for spec in plain) or find_spec("ml_dtypes") is None else tuple(outputs)


def run_of(
    ort: ModuleType, session: Any, taken: Mapping[str, TensorSpec], outputs: Sequence[TensorSpec]
) -> Callable[..., list[Any]]:
    """`private_calls.run_of(session)`, for a model of which some tensors are of types of ml_dtypes.

    Args:
        ort: the onnxruntime module.
        session: an onnxruntime.InferenceSession.
        taken: what the model takes, by name.
        outputs: what it returns.
    """
    run_plain, run_values = private_calls.run_of(session), private_calls.run_values_of(session)
    taken = {name: spec.present or spec for name, spec in taken.items()}
    given = {spec.name: spec for spec in outputs}

    def run(names: Sequence[str], feed: Mapping[str, Any], options: Any) -> list[Any]:
        # The OrtValues must outlive the call: they refer to the arrays.
        feed = {
            name: _to_value(ort, value, taken[name]) if taken[name].ml_type is not None else value
            for name, value in feed.items()
        }
        wanted = [given[name] for name in names]
        if all(spec.ml_type is None for spec in wanted):
            return run_plain(names, feed, options)
        _check(wanted, [taken[name] for name in feed])
        values = {
            name: ort.OrtValue.ortvalue_from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in feed.items()
        }
        found = run_values(names, values, options)
        return [
            value.numpy() if spec.ml_dtype is None else _to_array(value, spec.ml_dtype)
            for spec, value in zip(wanted, found, strict=True)
        ]

    return run


def _check(wanted: Sequence[TensorSpec], given: Sequence[TensorSpec]) -> None:
    """Refuse what ONNX Runtime's Python package cannot return together with tensors of ml_dtypes, or of such a call."""
    first = next(spec for spec in wanted if spec.ml_type is not None)
    choose = "choose others with outputs=[...]"
    if missing := [spec for spec in wanted if spec.ml_type is not None and spec.ml_dtype is None]:
        raise InvalidInput(f"the output {missing[0]} is of a type of ml_dtypes; pip install ml_dtypes, or {choose}")
    if other := [spec for spec in wanted if spec.element is None]:
        raise InvalidInput(f"ONNX Runtime cannot return the outputs {first} and {other[0]} of one call; {choose}")
    if other := [spec for spec in given if spec.ml_type is None and spec.dtype in (None, np.object_)]:
        raise InvalidInput(f"ONNX Runtime cannot return the output {first} of a call with {other[0]}; {choose}")


def _to_value(ort: ModuleType, array: npt.NDArray[Any], spec: TensorSpec) -> Any:
    assert spec.element is not None
    if not hasattr(ort.OrtValue, "ortvalue_from_numpy_with_onnx_type"):
        raise InvalidInput(f"{spec.name}: ONNX Runtime {ort.__version__} cannot take {spec.element}; upgrade it")
    content = array.view(f"u{array.itemsize}")
    if (bits := _BITS.get(array.dtype.name, 8)) < 8:
        # Its shape says how many elements there are; they fill the first of its bytes.
        elements = np.zeros(-content.size % (8 // bits) + content.size, np.uint8)
        elements[: content.size] = content.ravel() & (2**bits - 1)
        packed = (elements.reshape(-1, 8 // bits) << np.arange(0, 8, bits, dtype=np.uint8)).sum(1, dtype=np.uint8)
        content = np.zeros(content.shape, np.uint8)
        content.ravel()[: packed.size] = packed
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(content, _NUMBERS[spec.element])


def _to_array(value: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    shape = value.shape()
    elements: npt.NDArray[Any]
    bits = _BITS.get(dtype.name, 8 * dtype.itemsize)
    size = math.prod(shape)
    # Copied, since the memory is ONNX Runtime's; and once more, so that the caller may write to it.
    elements = np.frombuffer(ctypes.string_at(value.data_ptr(), (size * bits + 7) // 8), np.uint8).copy()
    if bits < 8:
        elements = (elements[:, None] >> np.arange(0, 8, bits, dtype=np.uint8)).ravel()[:size] & (2**bits - 1)
    if dtype.name in ("int2", "int4"):
        # Two's complement.
        elements = ((elements.astype(np.int8) ^ 2 ** (bits - 1)) - 2 ** (bits - 1)).astype(dtype)
    return elements.view(dtype).reshape(shape)
