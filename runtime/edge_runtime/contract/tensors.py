"""What a model file declares of its inputs and outputs."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.contract.lazy import cached_property

# https://onnx.ai/onnx/intro/concepts.html#element-type, by the names that ONNX Runtime prints.
NUMPY_TYPES: dict[str, type[np.generic]] = {
    "float16": np.float16,
    "float": np.float32,
    "double": np.float64,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "string": np.object_,
}

_DTYPES: dict[str, np.dtype[Any]] = {f"tensor({name})": np.dtype(one) for name, one in NUMPY_TYPES.items()}

# The element types that numpy does not have: what ml_dtypes calls them.
ML_TYPES: dict[str, str] = {
    "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "float8e8m0": "float8_e8m0fnu",
    "float4e2m1": "float4_e2m1fn",
    "int4": "int4",
    "uint4": "uint4",
    "int2": "int2",
    "uint2": "uint2",
}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output as the model file declares it.

    Attributes:
        name: its name in the graph.
        type: ONNX Runtime's name for its type, such as "tensor(float)", "seq(tensor(float))" and
            "optional(tensor(float))".
        shape: for each dimension an int if it is fixed, its name if it is symbolic, None if it is unknown. Empty for
            scalars, for tensors of any rank, and for what is not a tensor.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @cached_property
    def dtype(self) -> np.dtype[Any] | None:
        """The numpy type of a tensor's elements (object for strings); None if numpy lacks it, or it is not a tensor."""
        return _DTYPES.get(self.type)

    @cached_property
    def element(self) -> str | None:
        """ONNX Runtime's name for the type of a tensor's elements; None if it is not a tensor."""
        return _inside("tensor", self.type)

    @cached_property
    def ml_type(self) -> str | None:
        """The name that ml_dtypes has for the type of a tensor's elements, if numpy does not have that type."""
        return None if self.element is None else ML_TYPES.get(self.element)

    @cached_property
    def ml_dtype(self) -> np.dtype[Any] | None:
        """The type that `ml_type` names; None if ml_dtypes is not installed, or is too old to have it."""
        if self.ml_type is None:
            return None
        try:
            import ml_dtypes
        except ImportError:
            return None
        found = getattr(ml_dtypes, self.ml_type, None)
        return None if found is None else np.dtype(found)

    @cached_property
    def present(self) -> "TensorSpec | None":
        """If it is optional, what it is where it is given."""
        inner = _inside("optional", self.type)
        return None if inner is None else replace(self, type=inner)

    @cached_property
    def item(self) -> "TensorSpec | None":
        """If it is a sequence, what its elements are."""
        inner = _inside("seq", self.type)
        return None if inner is None else TensorSpec(self.name, inner, ())

    @cached_property
    def key_and_value(self) -> tuple[str, str] | None:
        """If it is a map, ONNX Runtime's names for the types of its keys and of its values."""
        found = re.fullmatch(r"map\((\w+),tensor\((\w+)\)\)", self.type)
        return None if found is None else (found[1], found[2])

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of this shape fits."""
        return len(shape) == len(self.shape) and not any(
            size != found for size, found in zip(self.shape, shape, strict=True) if type(size) is int
        )

    def __str__(self) -> str:
        """Its name, type and shape, such as `x: float32 [batch, 2]`."""
        if self.present is not None:
            return f"{self.present} (optional)"
        if self.element is None:
            return f"{self.name}: {self.type}"
        element = "string" if self.dtype == np.object_ else (self.dtype or self.element)
        return f"{self.name}: {element} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@functools.cache
def needs_ml_dtypes(name: str) -> bool:
    """Whether a tensor of ONNX Runtime's type `name`, or an optional one, is of a type that numpy does not have."""
    spec = TensorSpec("", name, ())
    return (spec.present or spec).ml_type is not None


def _inside(outer: str, name: str) -> str | None:
    return name[len(outer) + 1 : -1] if name.startswith(f"{outer}(") else None
