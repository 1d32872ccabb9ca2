"""Sums, extremes, softmax and normalisations in C."""

import numpy as np
import pytest
from c_models import Case, assert_like_onnxruntime, model_of, reporting, run_in_c
from onnx import helper

from edge_export.tensors import Array

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


X = normal(2, 3, 4)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(keepdims: int) -> None:
    kinds = ["ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"]
    kinds += ["ReduceLogSumExp"]
    attributes = {"keepdims": keepdims}
    assert_like_onnxruntime(
        *(Case(kind, [X], [ints(*axes)], attributes=attributes) for kind in kinds for axes in ((1,), (0, -1))),
        Case("ReduceSum", [X], [ints(1)], attributes=attributes),
        Case("ReduceSum", [X], attributes=attributes),
        Case("ReduceSum", [ints(3, -9, 2**40)], attributes=attributes),
        tolerance=1e-5,
    )


def test_the_largest_of_nan_is_nan_as_in_torch() -> None:
    inputs = {"x": np.array([[1, np.nan, 3], [np.inf, 0, 1]], np.float32)}
    model = model_of([helper.make_node("ReduceMax", ["x", "axes"], ["y"])], inputs, ["y"], {"axes": ints(1)})
    np.testing.assert_equal(run_in_c(model, inputs)["y"], np.array([[np.nan], [np.inf]], np.float32))


def test_places_of_extremes() -> None:
    ties = np.array([[1, 3, 3, 0], [2, 2, 2, 2]], np.float32)
    assert_like_onnxruntime(
        *(Case(kind, [X], attributes={"axis": axis}) for kind in ("ArgMax", "ArgMin") for axis in (0, -1)),
        Case("ArgMax", [ties], attributes={"axis": 1, "keepdims": 0}),
        Case("ArgMax", [ties], attributes={"axis": 1, "select_last_index": 1}),
    )


def test_softmax() -> None:
    large = np.array([[1e4, 1e4 - 1, -1e4], [-np.inf, 0, 1]], np.float32)
    assert_like_onnxruntime(
        *(Case(kind, [X], attributes={"axis": axis}) for kind in ("Softmax", "LogSoftmax") for axis in (0, 1, -1)),
        Case("Softmax", [large]),
        Case("LogSoftmax", [large[:1]]),
    )


def test_normalisations() -> None:
    image = normal(2, 3, 4, 5)
    positive = np.abs(normal(3)) + 0.1
    assert_like_onnxruntime(
        Case("LayerNormalization", [X], [normal(4), normal(4)]),
        Case("LayerNormalization", [X], [normal(3, 4)], attributes={"axis": 1, "epsilon": 1e-3}),
        Case("InstanceNormalization", [image], [normal(3), normal(3)]),
        Case("BatchNormalization", [image], [normal(3), normal(3), normal(3), positive], attributes={"epsilon": 1e-3}),
        tolerance=1e-5,
    )


def test_sums_and_products_of_integers_wrap_around(capfd: pytest.CaptureFixture[str]) -> None:
    x: Array = np.array([[2**62, 2**62, 2**62], [-1, -2, 7]], np.int64)
    constants: dict[str, Array] = {"last": np.array([1])}
    nodes = [helper.make_node(kind, ["x", "last"], [kind], keepdims=0) for kind in ("ReduceSum", "ReduceProd")]
    model = model_of(nodes, {"x": x}, ["ReduceSum", "ReduceProd"], constants)
    found = run_in_c(model, {"x": x}, *reporting())
    assert "runtime error" not in capfd.readouterr().err
    np.testing.assert_array_equal(found["ReduceSum"], x.sum(1))
    np.testing.assert_array_equal(found["ReduceProd"], x.prod(1))


def test_a_layer_norm_with_one_factor_for_all() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    factor = np.array([[0.5], [2.0], [3.0]], np.float32)
    assert_like_onnxruntime(Case("LayerNormalization", [x], [factor, factor[:1]], attributes={"axis": 1}))
