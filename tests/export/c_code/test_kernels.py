"""Elementwise operators in one loop."""

import numpy as np
from c_models import assert_model_like_onnxruntime, code_of, model_of
from onnx import helper

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


def test_what_is_used_only_within_a_loop_is_in_no_array() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Exp", ["a"], ["b"]),
        helper.make_node("Add", ["b", "x"], ["c"]),
        helper.make_node("Mul", ["c", "row"], ["y"]),
    ]
    model = model_of(nodes, {"x": X}, ["y"], {"row": np.arange(4, dtype=np.float32)})
    code = code_of(model)
    assert code.source.count("for (") == 2 + 1  # two axes, and the checksum's bits
    assert code.working_bytes == 0
    assert_model_like_onnxruntime(model, {"x": X})


def test_what_others_use_is_in_an_array() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Exp", ["a"], ["y"]),
        helper.make_node("Softmax", ["a"], ["z"]),
    ]
    model = model_of(nodes, {"x": X}, ["y", "z"])
    assert code_of(model).working_bytes == X.nbytes
    assert_model_like_onnxruntime(model, {"x": X})


def test_an_output_that_others_use_and_one_that_is_an_input() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["y"]),
        helper.make_node("Exp", ["y"], ["z"]),
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Reshape", ["y", "flat"], ["other"]),
    ]
    model = model_of(nodes, {"x": X}, ["y", "z", "same", "other"], {"flat": np.array([-1], np.int64)})
    assert_model_like_onnxruntime(model, {"x": X})
