"""Tensors as a model file declares them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# https://onnx.ai/onnx/intro/concepts.html#element-type, by the names that ONNX Runtime prints. Types that numpy does
# not have (bfloat16, float8, sequences, maps) are absent; their values pass unchanged.
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
        type: ONNX Runtime's name for its type, such as "tensor(float)".
        shape: for each dimension an int if it is fixed, its name if it is symbolic, None if it is unknown.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @functools.cached_property
    def dtype(self) -> np.dtype[Any] | None:
        """The numpy type of its elements (object for strings), or None if numpy does not have it."""
        numpy_type = NUMPY_TYPES.get(self.type.removeprefix("tensor(").removesuffix(")"))
        return None if numpy_type is None else np.dtype(numpy_type)

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of this shape fits."""
        return len(shape) == len(self.shape) and not any(
            size != found for size, found in zip(self.shape, shape, strict=True) if type(size) is int
        )

    def __str__(self) -> str:
        element = "string" if self.dtype == np.object_ else (self.dtype or self.type)
        return f"{self.name}: {element} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"
