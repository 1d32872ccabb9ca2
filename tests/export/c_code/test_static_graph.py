"""ONNX graphs with fixed shapes, and what is computed beforehand."""

import numpy as np
import pytest
import torch
from c_models import assert_model_like_onnxruntime, model_of
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from edge_export.c_code.static_graph import static_graph
from edge_export.capture.capture import capture
from edge_export.errors import ExportError
from edge_export.formats.onnx_file import onnx_model

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


class Flattened(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1) * x.shape[1]


def test_named_sizes_become_numbers_and_what_follows_from_them_constant() -> None:
    model = onnx_model(capture(Flattened(), torch.zeros(2, 3, 4), {"x": ("batch", "length", None)}), 18)
    graph = static_graph(model, {"batch": 1, "length": 5})
    assert [(value.name, value.shape) for value in graph.inputs] == [("x", (1, 5, 4))]
    assert [value.shape for value in graph.outputs] == [(1, 20)]
    assert [one.kind for one in graph.operations] == ["Reshape", "Mul"]
    factor = graph.operations[1].input(1).constant
    assert factor is not None
    assert factor.item() == 5


def test_the_model_is_left_as_it_is() -> None:
    model = onnx_model(capture(Flattened(), torch.zeros(2, 3, 4)), 18)
    before = model.SerializeToString()
    static_graph(model, {"batch": 1})
    assert model.SerializeToString() == before


def test_a_size_that_follows_from_values_is_refused() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["places"]), helper.make_node("Cast", ["places"], ["y"], to=1)]
    with pytest.raises(ExportError, match="C code needs the size of every tensor, but that of y"):
        static_graph(model_of(nodes, {"x": X}, ["y"]), {})


def branches() -> list[NodeProto]:
    def body(kind: str) -> GraphProto:
        output = helper.make_tensor_value_info(f"{kind}_out", TensorProto.FLOAT, [2, 3])
        scale = numpy_helper.from_array(np.array(3, np.float32), f"{kind}_scale")
        nodes = [
            helper.make_node(kind, ["x"], [f"{kind}_in"]),
            helper.make_node("Mul", [f"{kind}_in", f"{kind}_scale"], [f"{kind}_out"]),
        ]
        return helper.make_graph(nodes, kind, [], [output], [scale])

    return [helper.make_node("If", ["condition"], ["y"], then_branch=body("Neg"), else_branch=body("Exp"))]


@pytest.mark.parametrize("condition", [True, False])
def test_a_constant_condition_chooses_beforehand(condition: bool) -> None:
    model = model_of(branches(), {"x": X}, ["y"], {"condition": np.array(condition)})
    assert [one.kind for one in static_graph(model, {}).operations][:2] == ["Neg" if condition else "Exp", "Mul"]
    assert_model_like_onnxruntime(model, {"x": X})


@pytest.mark.parametrize("condition", [True, False])
def test_a_computed_condition_chooses_in_the_code(condition: bool) -> None:
    inputs = {"x": X, "condition": np.array([condition])}
    assert_model_like_onnxruntime(model_of(branches(), inputs, ["y"]), inputs)


def test_what_no_output_follows_from_is_dropped() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Exp", ["x"], ["unused"])]
    assert [one.kind for one in static_graph(model_of(nodes, {"x": X}, ["y"]), {}).operations] == ["Neg"]
