"""Convolutions and pooling in C."""

from typing import Any

import numpy as np
import pytest
import torch
from c_models import Case, assert_like_onnxruntime, code_of, model_of, run_in_c
from onnx import helper

from edge_export.errors import ExportError
from edge_export.tensors import Array

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


def test_convolutions_of_images() -> None:
    x = normal(2, 4, 7, 8)
    assert_like_onnxruntime(
        Case("Conv", [x], [normal(6, 4, 3, 3), normal(6)]),
        Case("Conv", [x], [normal(6, 4, 3, 3), normal(6)], attributes={"pads": [1, 1, 1, 1], "strides": [2, 1]}),
        Case("Conv", [x], [normal(6, 2, 3, 2)], attributes={"group": 2, "dilations": [2, 3]}),
        Case("Conv", [x], [normal(4, 1, 3, 3), normal(4)], attributes={"group": 4, "pads": [0, 2, 1, 0]}),
        Case("Conv", [x], [normal(3, 4, 4, 4)], attributes={"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        Case("Conv", [x], [normal(3, 4, 4, 4)], attributes={"auto_pad": "SAME_LOWER"}),
        Case("Conv", [x, normal(5, 4, 1, 1)]),
        tolerance=1e-5,
    )


def test_convolutions_of_series_and_volumes() -> None:
    assert_like_onnxruntime(
        Case("Conv", [normal(1, 3, 9)], [normal(4, 3, 3), normal(4)], attributes={"pads": [2, 0]}),
        Case("Conv", [normal(1, 2, 4, 5, 6)], [normal(3, 2, 2, 3, 2)]),
        tolerance=1e-5,
    )


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_pooling(kind: str) -> None:
    x, kernel = normal(2, 3, 7, 8), [3, 2]
    assert_like_onnxruntime(
        Case(kind, [x], attributes={"kernel_shape": kernel}),
        Case(kind, [x], attributes={"kernel_shape": kernel, "strides": [2, 2], "pads": [1, 1, 1, 0]}),
        Case(kind, [x], attributes={"kernel_shape": kernel, "strides": [2, 3], "ceil_mode": 1}),
        Case(kind, [normal(1, 2, 9)], attributes={"kernel_shape": [4], "strides": [3]}),
        Case("GlobalAveragePool", [x]),
        Case("GlobalMaxPool", [x]),
    )


def test_the_largest_of_a_window_with_nan_is_nan() -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 0, 1] = np.nan
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    found = run_in_c(model_of([node], {"x": x}, ["y"]), {"x": x})["y"]
    np.testing.assert_array_equal(found, [[[[np.nan, 0], [0, 0]]]])


def test_padding_counts_if_it_is_said_to() -> None:
    attributes: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    assert_like_onnxruntime(Case("AveragePool", [normal(1, 2, 5, 5)], attributes=attributes))


def test_the_places_of_the_largest_are_refused() -> None:
    node = helper.make_node("MaxPool", ["x"], ["y", "places"], kernel_shape=[2, 2])
    with pytest.raises(ExportError, match="the places that MaxPool finds"):
        code_of(model_of([node], {"x": normal(1, 2, 4, 4)}, ["y", "places"]))


def test_few_outputs_to_a_group_are_computed_plane_by_plane() -> None:
    x = normal(2, 6, 9, 8)
    code = code_of(model_of([helper.make_node("Conv", ["x", "w"], ["y"])], {"x": x}, ["y"], {"w": normal(3, 6, 3, 3)}))
    assert "total" not in code.source
    assert_like_onnxruntime(
        *(
            Case(
                "Conv",
                [x],
                [normal(6 * per_group, 1, *kernel), normal(6 * per_group)],
                attributes={"group": 6, "strides": strides, "dilations": dilations, "pads": pads},
            )
            for per_group, kernel, strides, dilations, pads in (
                (1, (3, 3), [1, 1], [1, 1], [1, 1, 1, 1]),
                (2, (3, 2), [2, 3], [1, 2], [2, 0, 0, 3]),
                (1, (4, 3), [3, 1], [2, 3], [5, 2, 4, 6]),
                (3, (1, 1), [2, 2], [1, 1], [0, 0, 0, 0]),
                (1, (2, 5), [1, 4], [3, 1], [0, 4, 6, 0]),
            )
        ),
        Case("Conv", [normal(1, 2, 11)], [normal(2, 2, 4)], attributes={"pads": [3, 5], "strides": [2]}),
        Case("Conv", [normal(1, 2, 3, 4, 5)], [normal(1, 2, 2, 2, 2), normal(1)], attributes={"pads": [1] * 6}),
        tolerance=1e-5,
    )


def test_windows_that_go_beyond_what_is_added_count_what_there_is_as_in_torch() -> None:
    x = np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8)
    attributes: dict[str, Any] = {
        "kernel_shape": [3, 3],
        "strides": [2, 2],
        "pads": [1] * 4,
        "ceil_mode": 1,
        "count_include_pad": 1,
    }
    expected = torch.nn.functional.avg_pool2d(torch.from_numpy(x), 3, 2, 1, ceil_mode=True)
    # torch's exporter writes NOTSET out.
    for more in ({}, {"auto_pad": "NOTSET"}):
        node = helper.make_node("AveragePool", ["x"], ["y"], **(attributes | more))
        (found,) = run_in_c(model_of([node], {"x": x}, ["y"]), {"x": x}).values()
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)
