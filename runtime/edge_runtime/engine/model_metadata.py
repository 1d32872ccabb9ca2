"""What a model file says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime.contract.errors import InvalidModel
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.protobuf import Bytes, Damaged, FileBytes, content, fields, number_at
from edge_runtime.engine.session import Session

# Of ModelProto, the message that an .onnx file is: repeated OperatorSetIdProto opset_import = 8; and of that message.
_OPSET_IMPORT = 8
_DOMAIN, _VERSION = 1, 2
# What ONNX Runtime returns for a version that is not there.
_UNSAID = 2**63 - 1


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
            ORT format, and for a large one that was replaced since it was opened.
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
        InvalidModel: it is not UTF-8 text, or cannot be read.
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
            opsets=_opsets(session.source) if session.source.opens_the_same() else {},
        )
    except UnicodeDecodeError as error:
        raise InvalidModel(f"what {session.source.name} says about itself is not UTF-8 text") from error
    except Damaged as error:
        # ONNX Runtime skips what it does not know, in more forms than ONNX files have.
        raise InvalidModel(f"what {session.source.name} says about its operator sets cannot be read") from error


def _opsets(source: ModelSource) -> dict[str, int]:
    if source.is_ort_format:
        return {}
    if isinstance(source.loadable, bytes):
        return _opsets_in(source.loadable)
    with FileBytes(source.loadable) as data:
        return _opsets_in(data)


def _opsets_in(data: Bytes) -> dict[str, int]:
    opsets = {}
    for field, has_length, start, stop in fields(data, 0, len(data)):
        if field == _OPSET_IMPORT and has_length:
            domain, version = b"", 0
            for part, part_has_length, first, last in fields(data, start, stop):
                # What has another type than it should is skipped, as ONNX Runtime does.
                if part == _DOMAIN and part_has_length:
                    domain = content(data, first, last)
                elif part == _VERSION and not part_has_length:
                    version = number_at(data, first)
            opsets[domain.decode(errors="replace") or "ai.onnx"] = version
    return opsets
