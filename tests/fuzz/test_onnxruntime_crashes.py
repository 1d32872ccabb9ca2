"""What crashes ONNX Runtime ends the process of an isolated model, and reaches the caller as an error."""

import contextlib
import os
from pathlib import Path

import pytest
from concurrency import HANG
from fuzzing.replay import crashes
from fuzzing.targets.artifacts import use

from edge_runtime import EdgePredictError, IsolatedPredictor, Limits

pytestmark = pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")


@pytest.mark.parametrize("path", crashes(), ids=lambda path: path.stem)
def test_a_crash_is_an_error(path: Path) -> None:
    # Versions of ONNX Runtime differ in what they refuse, answer, and crash on.
    with (
        contextlib.suppress(EdgePredictError),
        IsolatedPredictor(path, limits=Limits(isolated_seconds=HANG)) as predictor,
    ):
        use(predictor)
