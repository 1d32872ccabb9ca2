"""Recurrent layers in C."""

from typing import Any

import numpy as np
import pytest
from c_models import Case, assert_like_onnxruntime, code_of, model_of
from onnx import helper

from edge_export.errors import ExportError
from edge_export.tensors import Array

RANDOM = np.random.default_rng(0)
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
LENGTH, BATCH, SIZE, HIDDEN = 5, 2, 3, 4


def normal(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


def layer(kind: str, direction: str, with_states: bool, **attributes: int) -> Case:
    directions, gates = (2 if direction == "bidirectional" else 1), GATES[kind]
    weights = [
        normal(directions, gates * HIDDEN, SIZE),
        normal(directions, gates * HIDDEN, HIDDEN),
        normal(directions, 2 * gates * HIDDEN) if with_states else None,
    ]
    states = [None, normal(directions, BATCH, HIDDEN), *([normal(directions, BATCH, HIDDEN)] if kind == "LSTM" else [])]
    return Case(
        kind,
        [normal(LENGTH, BATCH, SIZE)],
        [*weights, *(states if with_states else [])],
        outputs=3 if kind == "LSTM" else 2,
        attributes={"hidden_size": HIDDEN, "direction": direction, **attributes},
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_every_direction(kind: str) -> None:
    assert_like_onnxruntime(
        *(
            layer(kind, direction, with_states)
            for direction in ("forward", "reverse", "bidirectional")
            for with_states in (False, True)
        ),
        tolerance=1e-5,
    )


def test_a_gru_that_resets_after_the_product_as_torch_does() -> None:
    assert_like_onnxruntime(layer("GRU", "forward", True, linear_before_reset=1), tolerance=1e-5)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [({"clip": 1.0}, "with layout, clip or input_forget"), ({"activations": ["Affine"]}, "the activation Affine")],
)
def test_what_there_is_no_code_for(attributes: dict[str, Any], message: str) -> None:
    node = helper.make_node("RNN", ["x", "w", "r"], ["y"], hidden_size=HIDDEN, **attributes)
    weights = {"w": normal(1, HIDDEN, SIZE), "r": normal(1, HIDDEN, HIDDEN)}
    with pytest.raises(ExportError, match=message):
        code_of(model_of([node], {"x": normal(LENGTH, BATCH, SIZE)}, ["y"], weights))
