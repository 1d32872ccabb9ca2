"""Models with what edge_export writes before a graph for strings, written without onnx."""

from collections.abc import Sequence

import numpy as np
from written_models import STRING, attribute, graph, model, node, tensor, value

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.category_codes import codes_of
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY

WORDS = Feature("word", "categorical", missing=0.1, categories=("a", "b ", "São Tomé", "007", "日本"))
CODES = Feature("code", "categorical", missing=0.1, categories=(1, 5, 12))
NUMBER = Feature("mass", "numeric", 1.0, 9.0)
AXIS = attribute("axis", 1)


def encoder(feature: Feature, place: int, *more: bytes, default: int = 0, text: str = "text") -> bytes:
    """The node that encodes the column `place`."""
    return node(
        "LabelEncoder",
        [f"{text}_text_{place}"],
        [f"{text}_codes_{place}"],
        attribute("keys_strings", list(codes_of(feature))),
        attribute("values_int64s", list(codes_of(feature).values())),
        attribute("default_int64", default),
        *more,
        domain="ai.onnx.ml",
    )


def string_encoders(features: Sequence[Feature], text: str = "text") -> list[bytes]:
    """All nodes before the codes of the input `text`."""
    places = range(len(features))
    split = node("Split", [text, "widths"], [f"{text}_text_{place}" for place in places], AXIS)
    encoders = [encoder(feature, place, text=text) for place, feature in enumerate(features)]
    return [split, *encoders, node("Concat", [f"{text}_codes_{place}" for place in places], [f"{text}_codes"], AXIS)]


def signature_of(features: Sequence[Feature]) -> Signature:
    """The signature of `text_model`."""
    return Signature((Input("x", (NUMBER,)), Input("text", tuple(features))), "y", (), "regression")


def text_model(
    features: Sequence[Feature] = (WORDS, CODES),
    nodes: Sequence[bytes] | None = None,
    more: Sequence[bytes] = (),
    outputs: Sequence[bytes] = (),
    widths: Sequence[int] | None = None,
) -> bytes:
    """A regression of a number `x` and strings `text`: y depends on each code, and on its column.

    Args:
        features: the features of the strings, all of them categorical.
        nodes: what comes before the codes, in place of `string_encoders(features)`.
        more: nodes at the end.
        outputs: outputs besides y.
        widths: what the input is split into.
    """
    size = len(features)
    most = 2 + max(len(feature.categories) for feature in features)
    random = np.random.default_rng(3)
    network = [
        node("Gather", ["table", "text_codes"], ["vectors"]),
        node("Mul", ["vectors", "factors"], ["products"]),
        node("ReduceSum", ["products", "axes"], ["sums"], attribute("keepdims", 0)),
        node("Add", ["sums", "x"], ["y"]),
    ]
    main = graph(
        [*(string_encoders(features) if nodes is None else nodes), *network, *more],
        [value("x", ["rows", 1]), value("text", ["rows", size], STRING)],
        [value("y", ["rows", 1]), *outputs],
        [
            tensor("table", random.normal(size=(most, 1)).astype(np.float32)),
            tensor("factors", random.normal(size=(size, 1)).astype(np.float32)),
            tensor("axes", np.array([1], np.int64)),
            tensor("widths", np.array([1] * size if widths is None else widths, np.int64)),
        ],
    )
    return model(main, metadata={SIGNATURE_KEY: signature_of(features).to_json()})
