"""ONNX models, written field by field: no package checks them, and tests need none.

The numbers of fields are those of onnx.proto.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FLOAT, INT64, STRING, BOOL = 1, 7, 8, 9
_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64, np.dtype(np.bool_): BOOL}

Field: TypeAlias = tuple[int, int | str | bytes]
Size: TypeAlias = int | str


class CountedBytes(bytes):
    """Bytes that count how many of them are looked at one by one."""

    reads = 0

    def __getitem__(self, place: object) -> object:  # type: ignore[override]
        self.reads += isinstance(place, int)
        return super().__getitem__(place)  # type: ignore[call-overload]


def varint(value: int) -> bytes:
    """A number, which may be negative, as Protocol Buffers write it."""
    value %= 2**64
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def message(*fields: Field) -> bytes:
    """A message of these fields, which are its numbers and values."""
    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(text := value.encode() if isinstance(value, str) else value)) + text
        for number, value in fields
    )


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes, domain: str = "") -> bytes:
    """A node."""
    return message(
        *((1, name) for name in inputs),
        *((2, name) for name in outputs),
        (4, operator),
        *((5, one) for one in attributes),
        (7, domain),
    )


def attribute(name: str, value: int | bytes | Sequence[str] | Sequence[int]) -> bytes:
    """An attribute: an integer, a graph, strings or integers."""
    if isinstance(value, int):
        return message((1, name), (3, value), (20, 2))
    if isinstance(value, bytes):
        return message((1, name), (6, value), (20, 5))
    are_strings = any(isinstance(one, str) for one in value)
    return message((1, name), *((9 if are_strings else 8, one) for one in value), (20, 8 if are_strings else 7))


def reference(name: str, kind: int) -> bytes:
    """An attribute that is one of the function in which it stands, of the type `kind`; 5 is a graph."""
    return message((1, name), (20, kind), (21, name))


def value(name: str, shape: Sequence[Size] | None, kind: int = FLOAT) -> bytes:
    """What a graph takes or gives: its name, type and shape; without a shape if that is None."""
    tensor: list[Field] = [(1, kind)]
    if shape is not None:
        sizes = [message((1, size) if isinstance(size, int) else (2, size)) for size in shape]
        tensor.append((2, message(*((1, size) for size in sizes))))
    return message((1, name), (2, message((1, message(*tensor)))))


def tensor(name: str, array: npt.NDArray[np.generic]) -> bytes:
    """A weight."""
    sizes: list[Field] = [(1, size) for size in array.shape]
    return message(*sizes, (2, _TYPES[array.dtype]), (8, name), (9, array.tobytes()))


def graph(
    nodes: Sequence[bytes], inputs: Sequence[bytes] = (), outputs: Sequence[bytes] = (), weights: Sequence[bytes] = ()
) -> bytes:
    """A graph."""
    return message(
        *((1, one) for one in nodes),
        (2, "graph"),
        *((5, one) for one in weights),
        *((11, one) for one in inputs),
        *((12, one) for one in outputs),
    )


def function(name: str, nodes: Sequence[bytes], *more: Field) -> bytes:
    """A function of the domain "own", from a to b."""
    opsets: list[Field] = [(9, one) for one in _OPSETS]
    return message((1, name), (4, "a"), (5, "b"), *((7, one) for one in nodes), *opsets, (10, "own"), *more)


def model(main: bytes, functions: Sequence[bytes] = (), metadata: Mapping[str, str] | None = None) -> bytes:
    """The file of a model."""
    return message(
        (1, 8),
        (7, main),
        *((8, one) for one in _OPSETS),
        *((14, message((1, key), (2, text))) for key, text in (metadata or {}).items()),
        *((25, one) for one in functions),
    )


_OPSETS = (message((1, ""), (2, 16)), message((1, "ai.onnx.ml"), (2, 2)), message((1, "own"), (2, 1)))
