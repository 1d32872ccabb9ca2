"""ONNX files as trees of protobuf fields, so that a change leaves a file that can still be parsed.

Sources: https://protobuf.dev/programming-guides/encoding/ and the field numbers of onnx.proto3.
"""

import copy
import struct
from collections.abc import Iterator
from random import Random
from typing import Any, TypeAlias

from fuzzing.mutations import INTEGERS, mutated_bytes, mutated_json

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

# A message: fields with their number, wire type, and value: an integer, bytes, or for a message its own fields.
Field: TypeAlias = list[Any]
Message: TypeAlias = list[Field]

# Which fields of which messages are messages.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 14: "entry", 25: "function"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 14: "annotation", 15: "sparse"},
    "function": {7: "node", 9: "opset", 11: "attribute", 12: "value", 14: "entry"},
    "node": {5: "attribute", 9: "entry"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        14: "type",
        15: "type",
        22: "sparse",
        23: "sparse",
    },
    "tensor": {13: "entry"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type"},
    "type": {1: "tensor type", 4: "sequence", 5: "map", 8: "tensor type", 9: "sequence"},
    "tensor type": {2: "shape"},
    "sequence": {1: "type"},
    "map": {2: "type"},
    "shape": {1: "dimension"},
}
# Operators that take sizes, places or graphs from their inputs or attributes.
_OPERATORS = (
    *("Loop", "If", "Scan", "GatherND", "ScatterND", "Gather", "Concat", "Reshape", "Expand", "Tile", "Slice", "Pad"),
    *("ConstantOfShape", "Range", "OneHot", "TopK", "Resize", "Conv", "MaxPool", "MatMul", "Gemm", "Einsum", "Cast"),
    *("SequenceAt", "SplitToSequence", "StringSplit", "RegexFullMatch", "QuantizeLinear", "LSTM", "NonZero", "Split"),
    *("LabelEncoder", "TreeEnsembleClassifier", "DictVectorizer", "ZipMap", "CastMap", "Transpose", "Squeeze"),
)
_ATTRIBUTES = (
    "axis",
    "axes",
    "perm",
    "to",
    "batch_dims",
    "keepdims",
    "kernel_shape",
    "pads",
    "strides",
    "value",
    "body",
    "num_outputs",
)


def decoded(data: bytes, kind: str = "model") -> Message:
    """The fields of a message of a kind in `_MESSAGES`.

    Raises:
        ValueError: it is not one.
    """
    fields, place = [], 0
    inside = _MESSAGES.get(kind, {})
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == _VARINT:
            value, place = _varint(data, place)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            value, place = data[place : place + size], place + size
        elif wire == _LENGTH:
            size, place = _varint(data, place)
            if place + size > len(data):
                raise ValueError("a field goes beyond the end")
            value, place = data[place : place + size], place + size
            if number in inside:
                value = decoded(value, inside[number])
        else:
            raise ValueError(f"wire type {wire}")
        fields.append([number, wire, value])
    return fields


def encoded(message: Message) -> bytes:
    """The bytes of a message."""
    parts = []
    for number, wire, value in message:
        parts.append(_as_varint(number << 3 | wire))
        if wire == _VARINT:
            parts.append(_as_varint(value))
        elif wire == _LENGTH:
            content = encoded(value) if isinstance(value, list) else value
            parts += [_as_varint(len(content)), content]
        else:
            parts.append(value)
    return b"".join(parts)


def mutated_model(data: bytes, random: Random) -> bytes:
    """An ONNX file with other fields: dropped, repeated, moved, exchanged, with extreme numbers, in each other.

    The JSON in its metadata is changed as such. Bytes are, if it is not one, and sometimes.
    """
    if random.random() < 0.1:
        return mutated_bytes(data, random)
    try:
        model = decoded(data)
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            _mutate(model, random)
        return encoded(model)
    except (ValueError, RecursionError, SystemError, TypeError, struct.error):
        return mutated_bytes(data, random)


def messages(message: Message) -> Iterator[Message]:
    """`message`, and all that are in it."""
    yield message
    for _, _, value in message:
        if isinstance(value, list):
            yield from messages(value)


def _mutate(model: Message, random: Random) -> None:
    inner = [message for message in messages(model) if message]
    if not inner:
        return
    message = random.choice(inner)
    place = random.randrange(len(message))
    number, wire, value = message[place]
    match random.randrange(10):
        case 0:
            del message[place]
        case 1:
            message[place:place] = [[number, wire, value]] * random.choice((1, 1, 3, 40))
        case 2:
            random.shuffle(message)
        case 3:
            other = random.choice(inner)
            message[place] = list(random.choice(other))
        case 4 if isinstance(value, list):
            # A graph in a graph, a type in a type; a copy, which is not in itself.
            message[place] = [number, wire, copy.deepcopy(random.choice(inner))]
        case 5:
            message.append(_new(random))
        case _:
            message[place] = [number, *_changed(wire, value, random)]


def _new(random: Random) -> Field:
    """An attribute with a number, or numbers."""
    name, number = random.choice(_ATTRIBUTES).encode(), random.choice(INTEGERS) % 2**64
    if random.random() < 0.5:
        attribute: Message = [[1, _LENGTH, name], [3, _VARINT, number], [20, _VARINT, 2]]
    else:
        attribute = [
            [1, _LENGTH, name],
            *([8, _VARINT, number] for _ in range(random.choice((0, 1, 4)))),
            [20, _VARINT, 7],
        ]
    return [5, _LENGTH, attribute]


def _changed(wire: int, value: Any, random: Random) -> Field:
    if wire == _VARINT:
        return [wire, random.choice((random.choice(INTEGERS), value + 1, value - 1, random.randrange(30))) % 2**64]
    if wire == _FIXED32:
        return [wire, struct.pack("<f", random.choice((0.0, -1.0, 1e38, float("nan"), float("inf"))))]
    if isinstance(value, list):
        return [wire, random.choice((value[::-1], value * 2, []))]
    if wire == _LENGTH:
        content: bytes = value
        if content[:1] == b"{":
            return [wire, mutated_json(content, random)]
        others = (
            random.choice(_OPERATORS).encode(),
            b"",
            mutated_bytes(content, random),
            mutated_bytes(content, random),
            content * 2,
        )
        return [wire, random.choice(others)]
    return [wire, random.randbytes(8)]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value % 2**64, place
        if shift > 63:
            break
    raise ValueError("a number does not end")


def _as_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
