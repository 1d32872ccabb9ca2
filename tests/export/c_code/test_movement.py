"""Operators that move elements: what ONNX Runtime gives, and an error in place of reading beyond an array."""

import numpy as np
import pytest
from c_models import Case, assert_like_onnxruntime, assert_model_like_onnxruntime, code_of, model_of, run_in_c
from onnx import helper

from edge_export.errors import ExportError
from edge_export.tensors import Array

X: Array = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def test_other_shapes_and_orders() -> None:
    assert_like_onnxruntime(
        Case("Reshape", [X], [ints(4, -1)]),
        Case("Flatten", [X], attributes={"axis": 2}),
        Case("Transpose", [X], attributes={"perm": [2, 0, 1]}),
        Case("Transpose", [X]),
        Case("Squeeze", [X[:, :1]], [ints(1)]),
        Case("Unsqueeze", [X], [ints(0, 4)]),
        Case("Expand", [X[:, :1]], [ints(2, 3, 4)]),
        Case("Identity", [X]),
    )


def test_parts() -> None:
    assert_like_onnxruntime(
        Case("Slice", [X], [ints(1, 0), ints(3, 100), ints(1, 2), ints(1, 2)]),
        Case("Slice", [X], [ints(-1), ints(-(2**63)), ints(2), ints(-1)]),
        Case("Slice", [X], [ints(3), ints(0), ints(2), ints(-2)]),
        Case("Split", [X], [ints(1, 3)], outputs=2, attributes={"axis": 2}),
        Case("Gather", [X], [ints(2, 0, -1)], attributes={"axis": 1}),
        Case("Gather", [X], [np.array(1, np.int64)], attributes={"axis": 2}),
        Case("Gather", [X], [np.array([[0, 1], [1, 1]], np.int64)]),
        Case("Gather", [X, ints(3, -4, 0)], attributes={"axis": 2}),
        Case("GatherND", [X], [np.array([[0, 2], [1, -1]], np.int64)]),
    )


def test_larger_tensors() -> None:
    assert_like_onnxruntime(
        Case("Concat", [X, X[:, :2]], attributes={"axis": 1}),
        Case("Concat", [X, X[:1]], attributes={"axis": -3}),
        Case("Tile", [X], [ints(1, 2, 3)]),
        Case("Pad", [X], [ints(0, 1, 2, 0, 0, 1), np.array(7, np.float32)]),
        Case("Pad", [X], [ints(0, -1, 1, 0, 0, -2)]),
        *(Case("Pad", [X], [ints(0, 1, 2, 0, 2, 1)], attributes={"mode": mode}) for mode in ("reflect", "edge")),
    )


def test_views_of_views_are_read_where_they_are() -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[2, 1, 0]),
        helper.make_node("Slice", ["t", "one", "four", "first"], ["s"]),
        helper.make_node("Neg", ["s"], ["n"]),
        helper.make_node("Reshape", ["n", "flat"], ["y"]),
    ]
    constants = {"one": ints(1), "four": ints(4), "first": ints(0), "flat": ints(-1)}
    model = model_of(nodes, {"x": X}, ["y"], constants)
    assert_model_like_onnxruntime(model, {"x": X})
    assert "float t[" not in code_of(model).source


def test_parts_are_computed_in_the_whole() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Exp", ["x"], ["b"]),
        helper.make_node("Concat", ["a", "b", "x"], ["c"], axis=0),
        helper.make_node("Add", ["c", "c"], ["y"]),
    ]
    model = model_of(nodes, {"x": X}, ["y"])
    assert_model_like_onnxruntime(model, {"x": X})
    assert "float a[" not in code_of(model).source


@pytest.mark.parametrize("place", [4, -5, 2**40])
def test_a_place_that_does_not_exist_is_an_error(place: int) -> None:
    inputs: dict[str, Array] = {"x": X, "at": ints(place)}
    model = model_of([helper.make_node("Gather", ["x", "at"], ["y"], axis=2)], inputs, ["y"])
    with pytest.raises(ExportError, match="looks something up at a place that does not exist"):
        run_in_c(model, inputs)
    constant = model_of([helper.make_node("Gather", ["x", "at"], ["y"], axis=2)], {"x": X}, ["y"], {"at": ints(place)})
    with pytest.raises(ExportError, match="at a place that does not exist"):
        code_of(constant)
