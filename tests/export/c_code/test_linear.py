"""Products of matrices in C."""

from typing import Any

import numpy as np
import pytest
from c_models import Case, assert_like_onnxruntime, assert_model_like_onnxruntime, code_of, model_of, run_in_c
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from tiers import examples

from edge_export.c_code.compiler import compilers, load_c
from edge_export.c_code.files import c_code
from edge_export.c_code.static_graph import static_graph
from edge_export.tensors import Array

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


def test_layers() -> None:
    assert_like_onnxruntime(
        Case("Gemm", [normal(1, 4)], [normal(4, 3), normal(3)]),
        Case("Gemm", [normal(5, 4)], [normal(3, 4), normal(3)], attributes={"transB": 1}),
        Case("Gemm", [normal(4, 5)], [normal(4, 3), normal(5, 1)], attributes={"transA": 1, "beta": 0.5}),
        Case("Gemm", [normal(5, 4)], [normal(4, 3)], attributes={"alpha": 0.25}),
        Case("Gemm", [normal(5, 4), normal(3, 4), normal(5, 3)], attributes={"transB": 1, "alpha": 2.0, "beta": -1.0}),
        Case("Gemm", [normal(5, 4), normal(4, 3)], attributes={"alpha": 2.0}),
        tolerance=1e-5,
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3), (3, 4)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3,)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 1)),
        ((2, 1, 2, 3), (3, 3, 2)),
        ((2, 2, 3), (3,)),
        ((3,), (2, 3, 4)),
    ],
)
def test_products(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    assert_like_onnxruntime(
        Case("MatMul", [normal(*left), normal(*right)]),
        Case("MatMul", [normal(*left)], [normal(*right)]),
        tolerance=1e-5,
    )


@examples(4, 40)
@given(
    members=st.integers(2, 5),
    inner=st.integers(8, 30),
    columns=st.integers(8, 20),
    rows=st.sampled_from([(), (1,), (3,)]),
    left=st.sampled_from([(), (1,), None]),
    outer=st.sampled_from([(), (1,), (2,)]),
)
def test_matrices_in_8_bits_have_a_scale_for_each_column(
    members: int, inner: int, columns: int, rows: tuple[int, ...], left: tuple[int, ...] | None, outer: tuple[int, ...]
) -> None:
    """What C computes with them is, but for the order of rounding, what their codes and scales stand for."""
    magnitudes = 10 ** RANDOM.uniform(-4, 1, (*outer, members, 1, columns))
    weights = (normal(*outer, members, inner, columns) * magnitudes).astype(np.float32)
    x = normal(*(((*outer, members) if left is None else left) if rows else ()), *rows, inner)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    code = c_code(static_graph(model_of([node], {"x": x}, ["y"], {"w": weights}), {}), None, "net", in_8_bits=True)
    found = load_c(code, compilers()[0], is_batched=False)({"x": x})["y"]
    scales = np.abs(weights).max(-2, keepdims=True) / np.float32(127)
    codes = np.rint(weights / scales).astype(np.int8)
    assert [array.tolist() for array in code.constants.values()] == [codes.tolist(), scales.tolist()]
    expected = run_in_c(model_of([node], {"x": x}, ["y"], {"w": codes * scales}), {"x": x})["y"]
    sums = np.abs(x) @ np.abs(codes * scales)
    assert (np.abs(found - expected) <= 1e-5 * sums).all()


def test_sums_of_products() -> None:
    equations = {"ij,jk->ik": ((2, 3), (3, 4)), "bij,bkj->bik": ((2, 3, 4), (2, 5, 4)), "ij->ji": ((2, 3),)}
    equations |= {"ij,ij": ((2, 3), (2, 3)), "i,j->ij": ((2,), (3,)), "bi,bi->b": ((4, 3), (4, 3))}
    assert_like_onnxruntime(
        *(
            Case("Einsum", [normal(*shape) for shape in shapes], attributes={"equation": equation})
            for equation, shapes in equations.items()
        ),
        tolerance=1e-5,
    )


def test_an_ellipsis_stands_for_axes_that_may_have_the_size_one() -> None:
    matrices, others = normal(2, 1, 3, 4), normal(1, 5, 4, 2)
    assert_like_onnxruntime(
        *(
            Case("Einsum", [matrices, others], attributes={"equation": equation})
            for equation in ("...ij,...jk->...ik", "...ij,...jk", "...ij,...jk->ki...")
        ),
        Case("Einsum", [matrices[0, 0], matrices[0, 0]], attributes={"equation": "...i,...i->..."}),
        tolerance=1e-5,
    )


def test_weights_lie_in_the_order_in_which_they_are_read() -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    code = code_of(model_of([node], {"x": normal(1, 12)}, ["y"], {"w": normal(3, 12)}))
    (weights,) = code.constants.values()
    assert weights.shape == (12, 3)
    assert "w[i * 3 + j]" in code.source


def test_a_sum_of_few_terms_is_one_line() -> None:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"])
    weights = {"w": np.array([[1], [2], [3]], np.float32), "b": np.array([4], np.float32)}
    code = code_of(model_of([node], {"x": normal(1, 3)}, ["y"], weights))
    assert "y[0] = 4.0f + x[0] * w[0] + x[1] * w[1] + x[2] * w[2];" in code.source


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_sums_of_integers_wrap_around(dtype: type[np.integer[Any]]) -> None:
    """They would overflow, which C leaves undefined for integers with a sign."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    a, b = (RANDOM.integers(low, high, shape, dtype, endpoint=True) for shape in ((2, 9), (9, 3)))
    model = model_of([helper.make_node("MatMul", ["a", "b"], ["y"])], {"a": a, "b": b}, ["y"])
    assert_model_like_onnxruntime(model, {"a": a, "b": b})
    assert "+=" not in code_of(model).source
