"""Tensors as a model file declares them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# https://onnx.ai/onnx/intro/concepts.html#element-type, under the names that ONNX Runtime prints. What numpy has no
# type for (bfloat16, float8, sequences, maps) is absent and goes through as it is.
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


@dataclass(frozen=True)
class TensorSpec:
    """One input or output as the model file declares it.

    Attributes:
        name: the tensor's name in the graph.
        type: ONNX Runtime's name of its type, such as "tensor(float)".
        shape: an int where a dimension is fixed, its name where it is symbolic, None where nothing is known of it.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @functools.cached_property
    def dtype(self) -> np.dtype[Any] | None:
        """The numpy type of its elements (object for text), or None where numpy has none."""
        numpy_type = NUMPY_TYPES.get(self.type.removeprefix("tensor(").removesuffix(")"))
        return None if numpy_type is None else np.dtype(numpy_type)

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of this shape is one of these."""
        return len(shape) == len(self.shape) and not any(
            size != found for size, found in zip(self.shape, shape, strict=True) if type(size) is int
        )

    def __str__(self) -> str:
        element = "string" if self.dtype == np.object_ else (self.dtype or self.type)
        return f"{self.name}: {element} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"
