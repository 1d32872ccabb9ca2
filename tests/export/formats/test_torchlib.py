"""Sources of torchlib's functions, which nobody needs to parse."""

import contextlib
import inspect
from typing import Any

import onnxscript
import pytest
from layers import layer, rows
from onnxscript._internal import ast_utils
from torch import Tensor
from torch.onnx._internal.exporter._registration import ONNXRegistry

from edge_export.capture.capture import capture
from edge_export.formats import onnx_file
from edge_export.formats.onnx_file import onnx_model, serialized
from edge_export.formats.torchlib import unread


def function() -> Any:
    from onnxscript.function_libs.torch_lib.ops import core

    found: Any = core.aten_abs
    assert isinstance(found, onnxscript.TracedOnnxFunction)
    return found


def absolute(self: Any, x: Tensor) -> Tensor:
    y: Tensor = self.layer(x)
    return y.abs()


def test_what_is_said_of_a_function_is_what_its_source_says() -> None:
    read = function().function_ir.domain
    with unread():
        assert function().function_ir.domain == read
        assert function().function_ir.name == "aten_abs"
    assert function().function_ir.name == "aten_abs"


def test_sources_are_read_again_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), unread():
        _ = 1 // 0
    assert function().function_ir.name == "aten_abs"


def test_an_export_parses_no_source_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(layer(absolute), rows())
    with monkeypatch.context() as patch:
        patch.setattr(onnx_file, "unread", contextlib.nullcontext)
        read = serialized(onnx_model(program))

    def parse(_: object) -> None:
        raise AssertionError("a source is parsed")

    # Without what other tests keep from one export to the next.
    monkeypatch.setattr(ONNXRegistry, "from_torchlib", staticmethod(inspect.unwrap(ONNXRegistry.from_torchlib)))
    monkeypatch.setattr(ast_utils, "get_src_and_ast", parse)
    assert serialized(onnx_model(program)) == read
