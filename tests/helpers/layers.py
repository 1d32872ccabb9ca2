"""Modules whose forward comes from outside, rows for them, and what their programs and files give."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from exports import onnx_bytes
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors
from edge_runtime import Predictor


class Layer(nn.Module):
    """Some layers; what is done with them comes from outside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.linear = nn.Linear(3, 3), nn.Linear(4, 4)
        self.recurrent = nn.LSTM(3, 2, batch_first=True)


def layer(forward: Callable[..., Any]) -> nn.Module:
    """A module with this forward, whose `self` is a `Layer`."""
    made: nn.Module = type("Forward", (Layer,), {"forward": forward})()
    return made


def rows(*shape: int) -> Tensor:
    """Normal numbers, of the shape (4, 3) if none is given; the same ones for the same shape."""
    return torch.randn(*shape or (4, 3), generator=torch.Generator().manual_seed(sum(shape)))


def in_file(program: Program) -> Callable[[Tensors], Mapping[str, npt.NDArray[Any]]]:
    """Runs the ONNX file of `program`."""
    return Predictor(onnx_bytes(program), device="cpu").run


def assert_same(found: Mapping[str, npt.NDArray[Any]], expected: Mapping[str, npt.NDArray[Any]]) -> None:
    """The same names in the same order, types and shapes, and values that are equal but for roundings."""
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)


def refusal(module: Any, example: Any, dynamic: Any = None) -> str:
    """What the exporter says of a module that it cannot export, in one line."""
    with pytest.raises(ExportError) as raised:
        onnx_bytes(capture(module, example, dynamic))
    message = str(raised.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message
