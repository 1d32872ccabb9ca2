"""Constants that are nearly those of onnxscript's rules, which drop what adds 0 or multiplies by 1."""

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import layer, rows
from torch import Tensor, nn

from edge_export import export
from edge_export.capture.capture import capture
from edge_export.formats import onnx_file
from edge_export.formats.onnx_file import onnx_model
from edge_export.formats.rewriting import exact_constants

NEAR_0 = st.floats(-1e-7, 1e-7).map(lambda shift: float(np.float32(shift)))
NEAR_1 = st.floats(0.0, 2e-5).map(lambda distance: float(np.float32(1 + distance)))


class Affine(nn.Module):
    """A layer whose output is scaled and shifted by constants, as a target is."""

    def __init__(self, shift: float, scale: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 3)
        self.shift: Tensor
        self.register_buffer("shift", torch.tensor(shift))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = (self.layer(x) - self.shift) / self.scale * self.scale + self.shift
        return y


def operators(module: nn.Module) -> list[str]:
    """The types of the nodes of the module's graph."""
    return [node.op_type for node in onnx_model(capture(module, rows())).graph.node]


@given(NEAR_0, NEAR_1)
@settings(max_examples=8)
def test_only_what_changes_nothing_is_dropped(shift: float, scale: float) -> None:
    expected = {"Sub", "Add"} if shift else set()
    expected |= {"Div", "Mul"} if scale != 1 else set()
    assert set(operators(Affine(shift, scale))) - {"Gemm", "Identity"} == expected


def test_constants_that_are_exactly_those_of_a_rule_are_dropped_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x * 1.0 + 0.0).relu() / 1 - 0
        return y

    found = operators(layer(forward))
    monkeypatch.setattr(onnx_file, "exact_constants", contextlib.nullcontext)
    assert operators(layer(forward)) == found == ["Gemm", "Relu"]


def test_values_of_a_tiny_scale_are_exported(tmp_path: Any) -> None:
    """Whose mean and deviation are far below 1e-8."""

    class Tiny(Affine):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.layer(x) * 1e-9 + self.shift
            return y

    export(Tiny(3e-9, 1.0), rows(), tmp_path / "model.onnx")


def test_rules_are_as_they_were_after_an_error() -> None:
    from onnxscript.rewriter import _matcher

    before = _matcher.SimplePatternMatcher._match_constant
    with pytest.raises(ZeroDivisionError), exact_constants():
        _ = 1 // 0
    assert _matcher.SimplePatternMatcher._match_constant is before
