"""What a model file says about itself."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from edge_runtime.contract.errors import InvalidModel
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.session import Session

# Of ModelProto, the message that an .onnx file is: repeated OperatorSetIdProto opset_import = 8.
_OPSET_IMPORT = 8
# What ONNX Runtime returns for a version that is not there.
_UNSAID = 2**63 - 1
# The wire types of Protocol Buffers, https://protobuf.dev/programming-guides/encoding/
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class ModelMetadata:
    """What a model file says about itself; empty strings where it says nothing.

    Attributes:
        custom: what its maker put into it, by key (`metadata_props`), such as the labels of a classifier.
        producer: the program that made the file.
        graph_name: the name of its graph.
        graph_description: what it says of the graph.
        description: what it says of the model.
        domain: the namespace of the model's name.
        version: the version of the model; None if the file does not say it.
        opsets: the version of each operator set that the graph uses, by domain: {"ai.onnx": 17}. Empty for a file in
            ORT format, and for one that was replaced since it was opened.
    """

    custom: Mapping[str, str]
    producer: str
    graph_name: str
    graph_description: str
    description: str
    domain: str
    version: int | None
    opsets: Mapping[str, int]


def metadata_of(session: Session) -> ModelMetadata:
    """What the file that `session` has opened says about itself.

    Raises:
        InvalidModel: it is not UTF-8 text.
    """
    meta = session.meta
    try:
        return ModelMetadata(
            custom=meta.custom_metadata_map,
            producer=meta.producer_name,
            graph_name=meta.graph_name,
            graph_description=meta.graph_description,
            description=meta.description,
            domain=meta.domain,
            version=None if meta.version == _UNSAID else meta.version,
            opsets=_opsets(session.source) if session.source.is_unchanged() else {},
        )
    except UnicodeDecodeError as error:
        raise InvalidModel(f"what {session.source.name} says about itself is not UTF-8 text") from error


def _opsets(source: ModelSource) -> dict[str, int]:
    model = source.model
    if source.is_ort_format:
        return {}
    opsets = {}
    with io.BytesIO(model) if isinstance(model, bytes) else model.open("rb") as file:
        while (field := _next_field(file, _OPSET_IMPORT)) is not None:
            number, content = field
            if number == _OPSET_IMPORT and isinstance(content, bytes):
                opset = io.BytesIO(content)
                domain, version = b"", 0
                while (part := _next_field(opset, 1)) is not None:
                    if isinstance(part[1], bytes):
                        domain = part[1]
                    elif part[0] == 2:
                        version = part[1]
                opsets[domain.decode(errors="replace") or "ai.onnx"] = version
    return opsets


def _next_field(file: BinaryIO, wanted: int) -> tuple[int, bytes | int] | None:
    """The number and the content of the next field of a message; None at its end. Only texts of `wanted` are read."""
    tag = _varint(file)
    if tag is None:
        return None
    number, kind = tag >> 3, tag & 7
    value = _varint(file) or 0 if kind in (_VARINT, _LENGTH) else {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
    if kind == _VARINT:
        return number, value
    if kind == _LENGTH and number == wanted:
        return number, file.read(value)
    file.seek(value, io.SEEK_CUR)
    return number, 0


def _varint(file: BinaryIO) -> int | None:
    value = shift = 0
    while byte := file.read(1):
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
    return None
