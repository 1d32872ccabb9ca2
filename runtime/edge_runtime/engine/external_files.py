"""The files that an ONNX model refers to: those with its weights, wherever in the model a tensor may be.

https://onnx.ai/onnx/repo-docs/ExternalData.html
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from edge_runtime.contract.errors import InvalidModel
from edge_runtime.engine.protobuf import Bytes, Damaged, FileBytes, content, fields

# Messages of onnx.proto that may have tensors in them, and by the number of a field what is in it.
_INSIDE: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "Model": {7: "Graph", 20: "Training", 25: "Function"},
        "Training": {1: "Graph", 2: "Graph"},
        "Function": {7: "Node", 11: "Attribute"},
        "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
        "Node": {5: "Attribute"},
        "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
        "SparseTensor": {1: "Tensor", 2: "Tensor"},
        "Tensor": {13: "Entry"},
    }
)
_KEY, _VALUE = 1, 2
_LOCATION = b"location"
# With its tag and length.
_KEY_OF_LOCATION = b"\n\x08" + _LOCATION
# What is not larger, in bytes, is searched for that, and looked into only if it is there. It takes microseconds.
_SMALL = 256 * 1024


def external_files(model: Path | bytes, folder: Path | None, name: str) -> dict[str, Path]:
    """The files that a model refers to, by their paths below its folder as the model has them.

    Args:
        model: an ONNX file, or its content.
        folder: where they lie; None if there is no place for them.
        name: what to call the model in messages.

    Raises:
        InvalidModel: it is not an ONNX file, or refers to files, and there is no place for them.
        OSError: it cannot be read.
    """
    try:
        places = _places(model)
    except (Damaged, UnicodeDecodeError):
        raise InvalidModel(f"{name} is not an ONNX file, or is damaged") from None
    if places and folder is None:
        raise InvalidModel(f"{name} has weights in {', '.join(sorted(places))}; pass their folder as data_folder")
    return {} if folder is None else {place: folder / place for place in sorted(places)}


def _places(model: Path | bytes) -> frozenset[str]:
    if isinstance(model, bytes):
        return _found(model)
    with model.open("rb", buffering=0) as file:
        return _found(FileBytes(file))


def _found(data: Bytes) -> frozenset[str]:
    places = set()
    left = [("Model", 0, len(data))]
    while left:
        kind, at, end = left.pop()
        if end - at <= _SMALL and _KEY_OF_LOCATION not in content(data, at, end):
            continue
        for number, has_length, start, stop in fields(data, at, end):
            inside = _INSIDE[kind].get(number) if has_length else None
            if inside == "Entry":
                key, place = _entry(data, start, stop)
                if key == _LOCATION:
                    places.add(place.decode())
            elif inside is not None:
                left.append((inside, start, stop))
    return frozenset(places)


def _entry(data: Bytes, at: int, end: int) -> tuple[bytes, bytes]:
    found = {_KEY: b"", _VALUE: b""}
    for number, has_length, start, stop in fields(data, at, end):
        if has_length and number in found:
            found[number] = content(data, start, stop)
    return found[_KEY], found[_VALUE]
