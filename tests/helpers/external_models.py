"""Models with weights in other files, made without onnx: y = x + w, where w is in the file `weights` of any location.

The numbers are those of fields in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from certificates import appended

from edge_runtime import Certificate, ReferenceBatch
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.data_file import finished
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, DATA_KEY

WEIGHTS = np.array([3, 4], np.float32)


def varint(number: int) -> bytes:
    """A number of any size."""
    encoded = b""
    while number > 127:
        encoded, number = encoded + bytes([number & 127 | 128]), number >> 7
    return encoded + bytes([number])


def field(number: int, content: bytes | str | int) -> bytes:
    """A field: of a number, or of a text or message."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def external_tensor(location: str, offset: int = 0, name: str = "w") -> bytes:
    """A TensorProto of two floats in another file."""
    entries = {"location": location, "offset": str(offset), "length": "8"}
    return (
        field(1, 2)
        + field(2, 1)
        + field(8, name)
        + b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries.items())
        + field(14, 1)
    )


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes) -> bytes:
    """A NodeProto."""
    named = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    return named + field(4, operator) + b"".join(field(5, one) for one in attributes)


def tensor_attribute(name: str, tensor: bytes) -> bytes:
    """An AttributeProto of a tensor."""
    return field(1, name) + field(5, tensor) + field(20, 4)


def model_of(*graph_fields: bytes, more: bytes = b"") -> bytes:
    """A ModelProto with x and y of two floats, and these fields in its graph."""
    value = field(2, field(1, field(1, 1) + field(2, field(1, field(1, 2)))))
    graph = b"".join(graph_fields) + field(2, "graph")
    graph += field(11, field(1, "x") + value) + field(12, field(1, "y") + value)
    return field(1, 8) + field(8, field(2, 17)) + field(7, graph) + more


def adding(location: str, offset: int = 0) -> bytes:
    """y = x + w, with the weights at this location."""
    return model_of(field(1, node("Add", ["x", "w"], ["y"])), field(5, external_tensor(location, offset)))


def certified_pair(path: Path, content: bytes | None = None) -> Path:
    """A certified model at `path`, with its data file; by default that of `adding`, which refers to that file."""
    data = path.with_name(f"{path.name}.data")
    data.write_bytes(WEIGHTS.tobytes())
    x = np.array([1, 2], np.float32)
    tolerance = np.full(2, 2**-16, np.float32)
    batch = ReferenceBatch("rows", {"x": x}, {"y": x + WEIGHTS}, {"y": tolerance})
    certificate = Certificate("float32", "2**-16", (batch,), (), None, {}, {}, None)
    model = appended(content or adding(data.name), CERTIFICATE_KEY, certificate.to_json())
    model = appended(model, DATA_KEY, finished(data).to_json())
    path.write_bytes(seal(model, data))
    return path
