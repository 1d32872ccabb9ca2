"""Pooling in ceil mode: as many windows as torch has."""

from typing import Any

import numpy as np
import pytest
from layers import in_file, refusal, rows
from torch import nn

from edge_export.capture.capture import capture
from edge_export.formats.onnx_file import onnx_model, serialized
from edge_runtime import Predictor


@pytest.mark.parametrize(
    ("module", "height", "width"),
    [
        (nn.AvgPool2d(2, 2, 1, ceil_mode=True), 7, 7),  # ends behind each axis
        (nn.AvgPool2d(2, 3, 1, ceil_mode=True, count_include_pad=False), 7, 9),
        (nn.AvgPool2d((2, 3), 3, 1, ceil_mode=True, count_include_pad=False), 7, 9),  # behind one axis alone
        (nn.MaxPool2d((2, 3), 3, 1, ceil_mode=True), 7, 9),
        (nn.MaxPool2d(2, 4, dilation=2, ceil_mode=True), 6, 8),
        (nn.AvgPool2d(3, 2, ceil_mode=True), 8, 7),  # behind none
    ],
)
def test_windows_that_begin_behind_the_end_are_dropped(module: nn.Module, height: int, width: int) -> None:
    x = rows(2, 3, height, width)
    program = capture(module, x)
    found = in_file(program)({program.inputs[0].name: x.numpy()})["output"]
    np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-5, atol=1e-6)
    carrying = Predictor(serialized(onnx_model(program, carries_nan=True)), device="cpu")
    np.testing.assert_array_equal(carrying.run({program.inputs[0].name: x.numpy()})["output"], found)


def test_padding_that_counts_on_one_axis_alone_is_refused() -> None:
    pool: Any = nn.AvgPool2d((2, 3), 3, 1, ceil_mode=True)
    assert "set count_include_pad=False, or pad the input so that no window is cut" in refusal(pool, rows(2, 3, 7, 9))
