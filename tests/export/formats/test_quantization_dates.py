"""Dates in a lower precision: seconds stay integers, and what is made of them before the first layer float32."""

import numpy as np
from date_module import Dated, example
from onnx import ModelProto
from onnx_models import to_bytes

from edge_export.capture.capture import capture
from edge_export.formats.onnx_file import onnx_model
from edge_export.formats.quantization import to_float16
from edge_runtime import Predictor
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE


def answers(model: ModelProto, dates: np.ndarray) -> np.ndarray:
    (found,) = Predictor(to_bytes(model), device="cpu").run({"date": dates}).values()
    assert isinstance(found, np.ndarray)
    return found


def test_float16_keeps_what_is_made_of_dates_in_float32() -> None:
    program = capture(Dated(), example())
    model = onnx_model(program)
    dates = np.array([[1703980800, 0], [0, FIRST_SECOND], [MISSING_DATE, LAST_SECOND], [1624505600, 1622505600]])
    (expected,) = program.run({"date": dates}).values()
    assert np.abs(answers(to_float16(model, program.signature), dates) - expected).max() < 1e-3
    # Without the signature, seconds overflow float16.
    assert not np.abs(answers(to_float16(model), dates) - expected).max() < 1e-3
