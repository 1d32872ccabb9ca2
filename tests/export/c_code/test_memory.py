"""Arrays that share memory."""

import numpy as np
from c_models import assert_model_like_onnxruntime, code_of, model_of
from onnx import NodeProto, helper

from edge_export.tensors import Array

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


def chain(length: int) -> tuple[list[NodeProto], dict[str, Array]]:
    weights: dict[str, Array] = {f"w{place}": np.eye(3, dtype=np.float32) * (place + 1) for place in range(length)}
    names = ["x", *(f"h{place}" for place in range(1, length)), "y"]
    nodes = [helper.make_node("MatMul", [names[place], f"w{place}"], [names[place + 1]]) for place in range(length)]
    return nodes, weights


def test_a_chain_of_layers_takes_the_memory_of_two() -> None:
    nodes, weights = chain(8)
    model = model_of(nodes, {"x": X}, ["y"], weights)
    assert code_of(model).working_bytes == 2 * X.nbytes
    assert_model_like_onnxruntime(model, {"x": X})


def test_what_is_needed_later_is_kept() -> None:
    nodes, weights = chain(4)
    nodes[-1] = helper.make_node("MatMul", ["h3", "w3"], ["end"])
    nodes.append(helper.make_node("Add", ["h1", "end"], ["y"]))
    model = model_of(nodes, {"x": X}, ["y"], weights)
    assert code_of(model).working_bytes == 3 * X.nbytes
    assert_model_like_onnxruntime(model, {"x": X})


def test_types_do_not_share() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Softmax", ["a"], ["s"]),
        helper.make_node("Cast", ["s"], ["b"], to=11),
        helper.make_node("Softmax", ["b"], ["t"]),
        helper.make_node("Cast", ["t"], ["c"], to=1),
        helper.make_node("Softmax", ["c"], ["y"]),
    ]
    assert_model_like_onnxruntime(model_of(nodes, {"x": X}, ["y"]), {"x": X})


def test_arrays_within_loops_count() -> None:
    """The state of a layer, what it carries on, and its gates."""
    layer = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=5)
    weights: dict[str, Array] = {"w": np.ones((1, 20, 3), np.float32), "r": np.ones((1, 20, 5), np.float32)}
    code = code_of(model_of([layer], {"x": X[:, None]}, ["y"], weights))
    assert code.working_bytes == (5 + 5 + 20) * 4
