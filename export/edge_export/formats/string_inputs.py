"""Texts in front of a graph that computes on codes: an artifact takes them as they are, and needs no encoder beside it.

Everything else in this package knows the codes of `category_codes`. Here they become texts twice: as
operators in the graph, and as the texts that a file is run on while it is held against torch on their codes.
"""

import itertools
import unicodedata
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edge_export.capture.diagnostics import cause
from edge_export.errors import ExportError
from edge_runtime.contract.category_codes import UNKNOWN, codes_of, encode
from edge_runtime.contract.signature import Feature, Signature

if TYPE_CHECKING:
    from edge_export.tensors import Tensors

_DOMAIN = "ai.onnx.ml"
# The first whose LabelEncoder takes texts to integers other than their places in a list.
_DOMAIN_VERSION = 2

# Of long lists of categories so many are bent into what is unknown.
_BENT = 6
_LONG = 1000
# Texts that readers take for a gap, a number or nothing at all.
_NOTHINGS = (" ", "\t", "\n", "\u00a0", "\u200b", "\ufeff", "None", "nan", "null", "0", "-1", "true", "?")
_STRANGERS = (*_NOTHINGS, "🙂", "日本語", "a\0b")
# Cyrillic and Greek letters that look like Latin ones.
_LOOK_ALIKES = str.maketrans("aceopxyABEHIKMOPTX", "асеорхуАВЕНІКМОРТΧ")  # noqa: RUF001


def text_features(signature: Signature | None) -> dict[str, tuple[Feature, ...]]:
    """The inputs that are texts in an artifact and codes everywhere else, by name, with their features."""
    tensors = () if signature is None else signature.inputs
    return {tensor.name: tensor.features for tensor in tensors if tensor.holds_strings}


def with_text(content: bytes, signature: Signature | None) -> bytes:
    """The ONNX file `content`, with texts of the shape (batch, features) where it takes int64 codes of that shape.

    Equal files give equal bytes; a file without such inputs is given back as it is.

    Args:
        content: an ONNX file that takes codes.
        signature: which inputs they are, and what their features know.

    Raises:
        ExportError: a category is no text that Unicode knows, or the graph is not as promised.
    """
    if not (texts := text_features(signature)):
        return content
    proto = onnx.load_from_string(content)
    nodes: list[NodeProto] = []
    for name, features in texts.items():
        codes = _unused(f"{name}_codes", proto.graph)
        _rename(proto.graph, name, codes)
        given = next(tensor for tensor in proto.graph.input if tensor.name == name)
        given.type.tensor_type.elem_type = TensorProto.STRING
        ones = numpy_helper.from_array(np.ones(len(features), np.int64), f"{codes}_widths")
        proto.graph.initializer.append(ones)
        nodes += _front(name, codes, ones.name, features)
    nodes += proto.graph.node
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    # The tools for lower precisions may have left another version there, of which nothing is in use.
    versions = [known for known in proto.opset_import if known.domain != _DOMAIN]
    del proto.opset_import[:]
    proto.opset_import.extend([*versions, helper.make_opsetid(_DOMAIN, _DOMAIN_VERSION)])
    return _checked(proto)


def spelled(tensors: "Tensors", signature: Signature | None) -> "Tensors":
    """`tensors` with texts in place of codes: what an artifact is run on, of which torch is given the codes.

    A category is spelled as it is, a gap is the empty text, and what is unknown is one of many texts that differ from
    the categories by little. Equal tensors are spelled alike.

    Args:
        tensors: the tensors of one call, codes among them: int64, shape (batch, features).
        signature: which inputs hold codes.

    Returns:
        The same, with arrays of `str` objects of the same shape for those inputs.

    Raises:
        ExportError: a code stands for nothing.
    """
    texts = text_features(signature)
    return {name: _spelled(values, name, texts[name]) if name in texts else values for name, values in tensors.items()}


def _spelled(codes: npt.NDArray[Any], name: str, features: tuple[Feature, ...]) -> npt.NDArray[np.object_]:
    result = np.empty(codes.shape, np.object_)
    for column, feature in enumerate(features):
        known, strangers = _spellings(feature)
        result[:, column] = known[codes[:, column].clip(0, len(known) - 1)]
        unknown = np.flatnonzero(codes[:, column] == UNKNOWN)
        # Of a call with few unknown texts, not always the first ones.
        start = zlib.crc32(codes.tobytes()) + column
        result[unknown, column] = strangers[(start + np.arange(len(unknown))) % len(strangers)]
    if not np.array_equal(encode(result, features), codes):
        raise ExportError(f"{name} holds codes that stand for nothing")
    return result


@lru_cache(maxsize=1024)
def _spellings(feature: Feature) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """The text of each code of a feature, and texts that are unknown to it, in an order that mixes their kinds."""
    codes = codes_of(feature)
    known = np.array(["", *codes], np.object_)
    strangers = [text for text in dict.fromkeys(_strangers([text for text in codes if text])) if text not in codes]
    order = np.random.default_rng(0).permutation(len(strangers))
    return known, np.array(strangers, np.object_)[order]


def _strangers(categories: list[str]) -> Iterator[str]:
    """Texts that an encoder that trims, folds, composes or cuts would take for one of `categories`, and others."""
    yield from _STRANGERS
    for place in np.unique(np.linspace(0, len(categories) - 1, min(_BENT, len(categories))).astype(int)):
        text = categories[place]
        yield from (text.upper(), text.lower(), text.title(), text.swapcase())
        yield from (f" {text}", f"{text} ", f"\t{text}", f"{text}\n", f"\u00a0{text}", f"{text}\u200b", f"\ufeff{text}")
        yield from (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD"))
        yield from (text[:-1], text[1:], f"{text}{text}", f"{text}.0", f"0{text}", f'"{text}"', f"\0{text}")
        yield from (text.translate(_LOOK_ALIKES), f"{text}\u0301", text + "x" * _LONG)


def _front(name: str, codes: str, widths: str, features: tuple[Feature, ...]) -> list[NodeProto]:
    """The operators from the texts `name` to the codes `codes`, each named after what it gives; `widths` are all 1."""
    columns = [f"{codes}_text_{column}" for column in range(len(features))]
    encoded = [f"{codes}_{column}" for column in range(len(features))]
    # With their number as an attribute in place of their widths, ONNX Runtime aborts where a damaged file has another.
    nodes = [helper.make_node("Split", [name, widths], columns, f"{codes}_split", axis=1)]
    for source, target, feature in zip(columns, encoded, features, strict=True):
        known = codes_of(feature)
        try:
            keys = [text.encode() for text in known]
        except UnicodeEncodeError as error:
            raise ExportError(f"{feature.name}: the category {error.object!r} is no text that ONNX can hold") from error
        nodes.append(
            helper.make_node(
                "LabelEncoder",
                [source],
                [target],
                target,
                domain=_DOMAIN,
                keys_strings=keys,
                values_int64s=list(known.values()),
                default_int64=UNKNOWN,
            )
        )
    return [*nodes, helper.make_node("Concat", encoded, [codes], codes, axis=1)]


def _unused(name: str, graph: GraphProto) -> str:
    taken = {known for part in _parts(graph) for node in part.node for known in (*node.input, *node.output, node.name)}
    taken |= {tensor.name for tensor in (*graph.input, *graph.initializer)}
    while any(known.startswith(name) for known in taken):
        name += "_"
    return name


def _rename(graph: GraphProto, old: str, new: str) -> None:
    """Let every node take `new` for `old`, those in branches too, which see what is around them."""
    for part in _parts(graph):
        for node in part.node:
            node.input[:] = [new if taken == old else taken for taken in node.input]


def _parts(graph: GraphProto) -> Iterator[GraphProto]:
    """`graph` and all graphs within it."""
    yield graph
    for attribute in itertools.chain.from_iterable(node.attribute for node in graph.node):
        for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            yield from _parts(inner)


def _checked(proto: ModelProto) -> bytes:
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:
        raise ExportError(f"the graph is not valid ONNX with texts before it: {cause(error)}") from error
    return proto.SerializeToString(deterministic=True)  # type: ignore[no-any-return]
