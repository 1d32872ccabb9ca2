"""Operators along one axis: what ONNX Runtime gives; NaN comes first, as in torch."""

from itertools import product

import numpy as np
import torch
from c_models import Case, assert_like_onnxruntime, model_of, run_in_c
from onnx import helper

from edge_export.tensors import Array

X: Array = np.array([[[3, -1, 3, 0.5], [0, 0, 0, 7], [np.inf, -np.inf, 1, 1]]], np.float32).repeat(2, 0)
LARGE: Array = np.array([2**63 - 1, 1, -5], np.int64)


def test_running_sums() -> None:
    finite = np.nan_to_num(X, posinf=9, neginf=-9)
    assert_like_onnxruntime(
        *(
            Case("CumSum", [finite], [np.array(axis)], attributes={"exclusive": exclusive, "reverse": reverse})
            for axis, exclusive, reverse in product((0, 1, -1), (0, 1), (0, 1))
        ),
        Case("CumSum", [LARGE], [np.array(0)]),
    )


def test_the_largest_and_the_smallest() -> None:
    assert_like_onnxruntime(
        *(
            Case("TopK", [values], [np.array([count])], outputs=2, attributes={"axis": axis, "largest": largest})
            for values, count, axis, largest in (
                (X, 2, -1, 1),
                (X, 4, 2, 0),
                (X, 3, 1, 1),
                (X, 1, 0, 0),
                (LARGE, 3, 0, 1),
                (LARGE, 2, 0, 0),
            )
        )
    )


def test_not_a_number_is_the_largest() -> None:
    x = np.array([2, np.nan, 5, np.nan, -1], np.float32)
    constants: dict[str, Array] = {"count": np.array([5])}
    for largest in (True, False):
        node = helper.make_node("TopK", ["x", "count"], ["values", "places"], largest=int(largest))
        found = run_in_c(model_of([node], {"x": x}, ["values", "places"], constants), {"x": x})
        values, places = torch.tensor(x).sort(descending=largest, stable=True)
        np.testing.assert_array_equal(found["values"], values.numpy())
        np.testing.assert_array_equal(found["places"], places.numpy())
