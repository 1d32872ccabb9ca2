"""Whether a provider really starts."""

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_runtime.engine import devices, provider_trials
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.provider_trials import MODEL, PRODUCT, ROW, trial, trials


def test_the_model_is_what_onnx_writes() -> None:
    onnx = pytest.importorskip("onnx")
    float32 = onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float32), "w")
    x, y = (onnx.helper.make_tensor_value_info(name, float32, [1, 2]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "probe", [x], [y], [weights])
    opset = onnx.helper.make_opsetid("", 13)
    assert onnx.helper.make_model(graph, opset_imports=[opset], ir_version=7).SerializeToString() == MODEL
    assert (np.array(ROW) @ [[1, 2], [3, 4]]).tolist() == PRODUCT


def test_the_providers_that_are_here() -> None:
    """Each has an answer; the CPU works; one that is not there is named."""
    available = import_onnxruntime().get_available_providers()
    found = trials([*available, "NothingExecutionProvider"])
    assert list(found) == [*available, "NothingExecutionProvider"]
    assert found[CPU] is None
    assert "does not have NothingExecutionProvider" in str(found["NothingExecutionProvider"])
    if "AzureExecutionProvider" in found:
        # ONNX Runtime opens a session "on" it, and computes everything on the CPU.
        assert found["AzureExecutionProvider"] == "it leaves even a matrix product to the CPU"


class FakeSession:
    def __init__(self, providers: list[str], product: list[list[float]]) -> None:
        self.providers, self.product = providers, product

    def get_providers(self) -> list[str]:
        return self.providers

    def run(self, names: None, feed: dict[str, Any]) -> list[Any]:
        return [np.array(self.product)]


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (FakeSession([CUDA, CPU], PRODUCT), None),
        (FakeSession([CUDA, CPU], [[0.0, 0.0]]), "it computes [[0.0, 0.0]] where [[31.0, 42.0]] is right"),
        (FakeSession([CPU], PRODUCT), "libcudnn.so.9: not found; CUDA and cuDNN come with"),
        (RuntimeError("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 35"), "CUDA failure 35"),
    ],
)
def test_what_a_provider_may_do(
    monkeypatch: pytest.MonkeyPatch, session: FakeSession | Exception, expected: str | None
) -> None:
    real = import_onnxruntime()

    def opened(*arguments: object, **_: object) -> FakeSession:
        if isinstance(session, Exception):
            raise session
        return session

    def missing(name: str) -> None:
        raise OSError("libcudnn.so.9: not found")

    ort = SimpleNamespace(
        SessionOptions=real.SessionOptions,
        InferenceSession=opened,
        preload_dlls=lambda: None,
        get_available_providers=lambda: [CUDA, CPU],
        __file__=str(Path(sys.executable)),
    )
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", missing)
    monkeypatch.setattr(devices, "cuda_driver_problem", lambda: None)
    for module in (provider_trials, devices):
        monkeypatch.setattr(module, "import_onnxruntime", lambda: ort)
    found = trial(CUDA)
    assert found == expected if expected is None else str(found).startswith(expected)


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        ("print('noise', end=''); main({provider!r})", "does not have"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it ends the process that tries it (SIGKILL)"),
        ("sys.exit(7)", "it ends the process that tries it (exit code 7)"),
        ("import time; time.sleep(1000)", "it does not start within 2 seconds"),
    ],
)
def test_a_provider_may_end_its_process(monkeypatch: pytest.MonkeyPatch, child: str, expected: str) -> None:
    """What it prints is not its answer, and it cannot take this process with it."""
    real = provider_trials._CHILD.partition("main(")[0]
    monkeypatch.setattr(provider_trials, "_CHILD", real + child)
    if "sleep" in child:
        monkeypatch.setattr(provider_trials, "SECONDS", 2)
    assert expected in str(trials(["NothingExecutionProvider"])["NothingExecutionProvider"])
