"""Operators that read or write at given places: what ONNX Runtime gives, and an error where there is no such place."""

import numpy as np
import pytest
from c_models import Case, assert_like_onnxruntime, code_of, model_of, run_in_c
from onnx import helper

from edge_export.errors import ExportError
from edge_export.tensors import Array

X: Array = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
AT: Array = np.array([[[1, -1], [0, 2], [2, 2]]], np.int64)
ROWS: Array = np.array([[0, 2], [1, -1], [0, 0]], np.int64)
NEW: Array = np.linspace(-5, 5, 12, dtype=np.float32).reshape(3, 4)


def test_places_that_are_constant_and_computed() -> None:
    assert_like_onnxruntime(
        *(
            case
            for given, constants in (([X, AT], []), ([X], [AT]))
            for case in (
                Case("GatherElements", given, constants, attributes={"axis": 2}),
                Case("GatherElements", given, constants, attributes={"axis": 1}),
            )
        ),
        *(Case("GatherND", given, constants) for given, constants in (([X, ROWS], []), ([X], [ROWS]))),
        *(
            Case("GatherND", given, constants, attributes={"batch_dims": 1})
            for given, constants in (([X, ROWS[:2]], []), ([X], [ROWS[:2]]))
        ),
        Case("GatherND", [X, np.array([[[1]], [[-2]]], np.int64)]),
    )


def test_writing_at_places() -> None:
    reductions = ("none", "add", "mul", "max", "min")
    counts = np.arange(6, dtype=np.int64).reshape(2, 3)
    assert_like_onnxruntime(
        *(
            Case("ScatterElements", [X, AT, X[:1, :, :2] - 7], attributes={"axis": 2, "reduction": how})
            for how in reductions
        ),
        *(Case("ScatterND", [X, ROWS, NEW], attributes={"reduction": how}) for how in reductions),
        Case("ScatterElements", [X], [AT, X[:1, :, :2]], attributes={"axis": 2}),
        Case("ScatterND", [X], [ROWS, NEW]),
        Case("ScatterElements", [counts, np.array([[0, 0]]), counts[:1, 1:]], attributes={"reduction": "add"}),
    )


def test_one_hot() -> None:
    places, values = np.array([[0, 2], [-1, 7]], np.int64), np.array([-1, 3], np.float32)
    assert_like_onnxruntime(
        Case("OneHot", [places], [np.array(4), values]),
        Case("OneHot", [places], [np.array(4), values], attributes={"axis": 1}),
        Case("OneHot", [places.astype(np.float32)], [np.array(3), values.astype(np.int64)], attributes={"axis": 0}),
    )


@pytest.mark.parametrize("place", [4, -5, 2**40])
def test_a_place_that_does_not_exist_is_an_error(place: int) -> None:
    node = helper.make_node("ScatterElements", ["x", "at", "new"], ["y"], axis=0)
    inputs: dict[str, Array] = {"x": X[0, 0], "new": np.zeros(1, np.float32)}
    at = np.array([place], np.int64)
    with pytest.raises(ExportError, match="at a place that does not exist"):
        run_in_c(model_of([node], inputs | {"at": at}, ["y"]), inputs | {"at": at})
    with pytest.raises(ExportError, match="at a place that does not exist"):
        code_of(model_of([node], inputs, ["y"], {"at": at}))
