"""Models that carry what intervals and prediction sets are made of."""

from dataclasses import replace

import numpy as np
import tables
from certificates import appended
from paths import MODELS
from written_models import graph, model, node, tensor, value

from edge_runtime import Conformal, Feature, Input, Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY

# Of a coverage of 50 % and 90 %.
TEN_AND_TWENTY = Conformal(99, (50, 90), (10.0, 20.0))
HALF_AND_MOST = Conformal(99, (50, 90), (0.5, 0.98))
VALUE = np.array([[2.0], [1.0]], np.float32)


def values() -> bytes:
    """The model of masses: intervals of 20 or 40 grams."""
    return _carrying("mass", tables.MASS, TEN_AND_TWENTY)


def labels() -> bytes:
    """The model of penguins: sets of all labels whose probability is 0.5 or more, or 0.02 or more."""
    return _carrying("penguins", tables.PENGUINS, HALF_AND_MOST)


def two_labels() -> bytes:
    """The model of islands, likewise."""
    return _carrying("islands", tables.ISLANDS, HALF_AND_MOST)


def scaled(scale: str = "scale") -> bytes:
    """A regression of two numbers, 2 a + b, with intervals in proportion to |a|; `scale` is the output's name.

    Conformal scores are one and two.
    """
    main = graph(
        [
            node("MatMul", ["x", "weight"], ["value"]),
            node("MatMul", ["x", "of_a"], ["a"]),
            node("Abs", ["a"], [scale]),
        ],
        [value("x", ["batch", 2])],
        [value("value", ["batch", 1]), value(scale, ["batch", 1])],
        [tensor("weight", VALUE), tensor("of_a", np.array([[1.0], [0.0]], np.float32))],
    )
    signature = Signature(
        (Input("x", (Feature("a"), Feature("b"))),),
        "value",
        (),
        "regression",
        conformal=Conformal(99, (50, 90), (1.0, 2.0), "scale"),
    )
    return model(main, metadata={SIGNATURE_KEY: signature.to_json()})


def _carrying(name: str, signature: Signature, conformal: Conformal) -> bytes:
    content = (MODELS / f"{name}.onnx").read_bytes()
    return appended(content, SIGNATURE_KEY, replace(signature, conformal=conformal).to_json())
