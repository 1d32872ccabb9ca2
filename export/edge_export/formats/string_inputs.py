"""String inputs: an artifact takes strings for a program that takes category codes, and needs no encoder beside it.

Everything else in this package works with the codes of `edge_runtime.contract.category_codes`. Here they become strings
twice: as operators in the graph, and as the strings that a file is run on while it is compared with torch on their
codes.
"""

import itertools
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edge_export.capture.diagnostics import cause
from edge_export.errors import ExportError
from edge_export.formats.external_data import check_model
from edge_export.formats.unknown_categories import spellings
from edge_export.tensors import Tensors
from edge_runtime.contract.category_codes import UNKNOWN, codes_of, encode
from edge_runtime.contract.signature import Feature, Signature

_DOMAIN = "ai.onnx.ml"
# The first version whose LabelEncoder maps strings to integers other than their places in a list.
_DOMAIN_VERSION = 2


def string_features(signature: Signature | None) -> dict[str, tuple[Feature, ...]]:
    """The inputs that are strings in an artifact and codes everywhere else, by name, with their features."""
    tensors = () if signature is None else signature.inputs
    return {tensor.name: tensor.features for tensor in tensors if tensor.holds_strings}


def with_string_inputs(model: ModelProto, signature: Signature | None, data: Path | None = None) -> ModelProto:
    """`model` with strings of shape (batch, features) for each input of int64 codes of that shape.

    Args:
        model: takes codes. It stays as it is.
        signature: says which inputs hold codes, and their categories.
        data: the data file of the model, if it has one.

    Returns:
        A new model, or `model` itself if it has no such input.

    Raises:
        ExportError: a category cannot be written in UTF-8, or the graph is not as promised.
    """
    if not (strings := string_features(signature)):
        return model
    result = ModelProto()
    result.CopyFrom(model)
    nodes: list[NodeProto] = []
    for name, features in strings.items():
        codes = _unused(f"{name}_codes", result.graph)
        _rename(result.graph, name, codes)
        given = next(tensor for tensor in result.graph.input if tensor.name == name)
        given.type.tensor_type.elem_type = TensorProto.STRING
        ones = numpy_helper.from_array(np.ones(len(features), np.int64), f"{codes}_widths")
        result.graph.initializer.append(ones)
        nodes += _encoders(name, codes, ones.name, features)
    nodes += result.graph.node
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    # The quantization tools may have left another version there, of which nothing is in use.
    versions = [known for known in result.opset_import if known.domain != _DOMAIN]
    del result.opset_import[:]
    result.opset_import.extend([*versions, helper.make_opsetid(_DOMAIN, _DOMAIN_VERSION)])
    try:
        check_model(result, data)
    except Exception as error:
        raise ExportError(f"the graph is not valid ONNX with string inputs: {cause(error)}") from error
    return result


def as_strings(tensors: Tensors, signature: Signature | None) -> Tensors:
    """`tensors` with strings in place of codes: what an artifact is run on while torch is given the codes.

    A category is spelled as it is and a missing value is the empty string. An unknown category is one of many strings
    that differ little from the known ones. Equal tensors give equal strings.

    Args:
        tensors: the tensors of one call, codes among them: int64, shape (batch, features).
        signature: says which inputs hold codes.

    Returns:
        The same, with arrays of `str` objects of the same shape for those inputs.

    Raises:
        ExportError: a number is not a code of its feature.
    """
    strings = string_features(signature)
    return {
        name: _as_strings(values, name, strings[name]) if name in strings else values
        for name, values in tensors.items()
    }


def _as_strings(codes: npt.NDArray[np.int64], name: str, features: tuple[Feature, ...]) -> npt.NDArray[np.object_]:
    result = np.empty(codes.shape, np.object_)
    for column, feature in enumerate(features):
        known, unknown = spellings(feature)
        result[:, column] = known[codes[:, column].clip(0, len(known) - 1)]
        rows = np.flatnonzero(codes[:, column] == UNKNOWN)
        # A call with few unknown categories does not always take the first ones.
        start = zlib.crc32(codes.tobytes()) + column
        result[rows, column] = unknown[(start + np.arange(len(rows))) % len(unknown)]
    if not np.array_equal(encode(result, features), codes):
        raise ExportError(f"{name} holds numbers that are not category codes of its features")
    return result


def _encoders(name: str, codes: str, widths: str, features: tuple[Feature, ...]) -> list[NodeProto]:
    """The operators from the strings `name` to the codes `codes`, each named after its output; `widths` are all 1."""
    columns = [f"{codes}_text_{column}" for column in range(len(features))]
    encoded = [f"{codes}_{column}" for column in range(len(features))]
    # If their number were an attribute, ONNX Runtime would abort on a damaged file that has another number of columns.
    nodes = [helper.make_node("Split", [name, widths], columns, f"{codes}_split", axis=1)]
    for source, target, feature in zip(columns, encoded, features, strict=True):
        nodes.append(_encoder(source, target, feature.name, codes_of(feature)))
    return [*nodes, helper.make_node("Concat", encoded, [codes], codes, axis=1)]


def _encoder(source: str, target: str, feature: str, known: Mapping[str, int]) -> NodeProto:
    try:
        keys = [string.encode() for string in known]
    except UnicodeEncodeError as error:
        raise ExportError(f"{feature}: the category {error.object!r} cannot be written in UTF-8") from error
    return helper.make_node(
        "LabelEncoder",
        [source],
        [target],
        target,
        domain=_DOMAIN,
        keys_strings=keys,
        values_int64s=list(known.values()),
        default_int64=UNKNOWN,
    )


def _unused(name: str, graph: GraphProto) -> str:
    taken = {known for part in _parts(graph) for node in part.node for known in (*node.input, *node.output, node.name)}
    taken |= {tensor.name for tensor in (*graph.input, *graph.initializer)}
    while any(known.startswith(name) for known in taken):
        name += "_"
    return name


def _rename(graph: GraphProto, old: str, new: str) -> None:
    """Let every node take `new` in place of `old`, also in branches, which see what is around them."""
    for part in _parts(graph):
        for node in part.node:
            node.input[:] = [new if taken == old else taken for taken in node.input]


def _parts(graph: GraphProto) -> Iterator[GraphProto]:
    """`graph` and all graphs within it."""
    yield graph
    for attribute in itertools.chain.from_iterable(node.attribute for node in graph.node):
        for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            yield from _parts(inner)
