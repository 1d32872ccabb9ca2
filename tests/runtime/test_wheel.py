"""What is installed beside the runtime; tells something only in the clean environments of `make test-wheel`."""

import importlib.metadata
import importlib.util
import os
from pathlib import Path

import pytest

import edge_runtime

EXTRA = os.environ.get("EDGE_PREDICT_WHEEL")

pytestmark = pytest.mark.skipif(EXTRA is None, reason="runs on the built wheel: make test-wheel")


def test_it_is_the_wheel_that_is_tested() -> None:
    assert "site-packages" in Path(edge_runtime.__file__).parts
    assert (Path(edge_runtime.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("module", ["torch", "onnx", "onnxscript", "sklearn", "scipy", "pandas", "matplotlib", "tqdm"])
def test_training_and_export_are_not_there(module: str) -> None:
    assert importlib.util.find_spec(module) is None


def test_one_onnxruntime() -> None:
    names = {distribution.metadata["Name"] for distribution in importlib.metadata.distributions()}
    expected = {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}[(EXTRA or "").split(",")[0]]
    assert {name for name in names if name.startswith("onnxruntime")} == {expected}


def test_version() -> None:
    assert importlib.metadata.version("edge-predict") == edge_runtime.__version__
