"""Nothing that torch's exporters say reaches the user, and nothing of it stays behind."""

import logging
import sys
import warnings

import pytest
from layers import layer, rows
from torch import Tensor

from edge_export.capture.capture import capture
from edge_export.capture.quiet import quiet


def test_prints_warnings_and_logs_are_dropped(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    with quiet():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logger.error("to the log")
        warnings.warn("to the warnings", stacklevel=1)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert list(recwarn) == []
    assert logger.level == before
    logger.error("to the log")
    assert [record.message for record in caplog.records] == ["to the log"]


def test_the_loggers_are_as_before_after_an_error() -> None:
    logger = logging.getLogger("onnxscript")
    logger.setLevel(logging.DEBUG)
    with pytest.raises(ZeroDivisionError), quiet():
        raise ZeroDivisionError
    assert logger.level == logging.DEBUG
    logger.setLevel(logging.NOTSET)


def test_what_a_module_prints_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def forward(self: object, x: Tensor) -> Tensor:
        print("shape", x.shape)
        return x * 2

    capture(layer(forward), rows())
    assert capfd.readouterr() == ("", "")
