"""Which device a model runs on, and why it cannot run on another."""

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paths import MODELS

from edge_runtime import DeviceUnavailable, Predictor, UnknownDevice
from edge_runtime.engine import devices
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.model_source import ModelSource

# It does not say how much work its rows take.
MODEL = MODELS / "three_labels.onnx"

no_gpu = pytest.mark.skipif(devices.cuda_driver_problem() is None, reason="this machine has an NVIDIA GPU")


@pytest.mark.parametrize("device", ["auto", "cpu", CPU])
@no_gpu
def test_cpu(device: str, capfd: pytest.CaptureFixture[str]) -> None:
    for model in (MODEL, MODELS / "four_blobs.onnx"):
        assert Predictor(model, device).provider == CPU
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("device", ["cuda", "cuda:1", CUDA])
@no_gpu
def test_cuda_is_refused_without_a_gpu(device: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceUnavailable, match=f"device '{device}' cannot be used: .*(does not have CUDA|driver)"):
        Predictor(MODEL, device)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("device", "advice"),
    [
        ("tpus", "; use auto, cpu, cuda, cuda:N, or the name of an ONNX Runtime provider"),
        ("", "; use auto"),
        ("gpu", "; did you mean 'cuda'? use auto"),
        ("GPU:1", "; did you mean 'cuda'? use auto"),
        ("cuda:", "; did you mean 'cuda'? use auto"),
        ("cuda:x", "; did you mean 'cuda'? use auto"),
        ("cuda:1 ", "; did you mean 'cuda'? use auto"),
        ("CPU", "; did you mean 'cpu'? use auto"),
        ("autp", "; did you mean 'auto'? use auto"),
        ("CUDAExecutionProvide", "; did you mean 'CUDAExecutionProvider'? use auto"),
    ],
)
def test_unknown_devices(device: str, advice: str) -> None:
    with pytest.raises(UnknownDevice) as raised:
        Predictor(MODEL, device)
    assert str(raised.value).startswith(f"unknown device {device!r}{advice}")
    assert str(raised.value).endswith(" use auto, cpu, cuda, cuda:N, or the name of an ONNX Runtime provider")


def test_a_provider_that_is_not_there() -> None:
    with pytest.raises(DeviceUnavailable, match=r"does not have NothingExecutionProvider, only .*CPUExecutionProvider"):
        Predictor(MODEL, "NothingExecutionProvider")
    # The names of all providers end alike.
    with pytest.raises(DeviceUnavailable, match=r"does not have CoreMLExecutionProvider, only [A-Za-z, ]*$"):
        Predictor(MODEL, "CoreMLExecutionProvider")
    with pytest.raises(DeviceUnavailable, match=r"does not have CPPExecutionProvider, .*did you mean 'CPUExec"):
        Predictor(MODEL, "CPPExecutionProvider")
    for name, model in [("cpu", MODEL), ("CPU", MODEL), ("cpu", MODELS / "four_blobs.onnx")]:
        with pytest.raises(DeviceUnavailable, match=f"does not have {name}, .*did you mean 'CPUExecutionProvider'"):
            Predictor(model, providers=[name])


GRAPH, PLAIN = {"use_tf32": "0", "enable_cuda_graph": "1"}, {"use_tf32": "0"}


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cpu", [(CPU, {})]),
        (CPU, [(CPU, {})]),
        ("CoreMLExecutionProvider", [("CoreMLExecutionProvider", {})]),
        ("auto", [(CUDA, GRAPH), (CUDA, PLAIN), (CPU, {})]),
        ("cuda", [(CUDA, GRAPH), (CUDA, PLAIN)]),
        (CUDA, [(CUDA, GRAPH), (CUDA, PLAIN)]),
        ("cuda:0", [(CUDA, {**GRAPH, "device_id": "0"}), (CUDA, {**PLAIN, "device_id": "0"})]),
        ("cuda:12", [(CUDA, {**GRAPH, "device_id": "12"}), (CUDA, {**PLAIN, "device_id": "12"})]),
    ],
)
def test_candidates(device: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    found = devices.candidates(device)
    assert [(name, sorted(options.items())) for name, options in found] == [
        (name, sorted(options.items())) for name, options in expected
    ]


class FakeDriver:
    """libcuda, with the statuses that its functions return."""

    def __init__(self, init: int = 0, count_status: int = 0, count: int = 0) -> None:
        self.init, self.count_status, self.count = init, count_status, count

    def cuInit(self, flags: int) -> int:  # noqa: N802
        assert flags == 0
        return self.init

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.count
        return self.count_status


@pytest.mark.parametrize(
    ("driver", "problem"),
    [
        (FakeDriver(count=2), None),
        (FakeDriver(count=0), "the NVIDIA driver does not find a GPU"),
        (FakeDriver(init=999), "the NVIDIA driver does not find a usable GPU (cuInit returns error 999)"),
        (FakeDriver(count_status=3, count=2), "the NVIDIA driver cannot count its GPUs (error 3)"),
        (None, "the NVIDIA driver is not installed (libcuda.so.1 is not found)"),
    ],
)
def test_the_driver(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver | None, problem: str | None) -> None:
    def load(name: str) -> FakeDriver:
        assert name == "libcuda.so.1"
        if driver is None:
            raise OSError
        return driver

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert devices.cuda_driver_problem() == problem


def test_the_driver_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    def load(name: str) -> FakeDriver:
        assert name == "nvcuda.dll"
        return FakeDriver(count=1)

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert devices.cuda_driver_problem() is None


def test_why_cuda_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ort: Any = SimpleNamespace(get_available_providers=lambda: [CPU])
    monkeypatch.setattr(devices, "import_onnxruntime", lambda: ort)
    monkeypatch.setattr(devices, "cuda_driver_problem", lambda: "the NVIDIA driver does not find a GPU")
    problem = devices.cuda_problem(ModelSource(MODEL))
    assert problem == (
        "the installed onnxruntime does not have CUDA; fix it with "
        "pip uninstall -y onnxruntime && pip install 'edge-predict[gpu-cuda]'"
    )
    ort.get_available_providers = lambda: [CUDA, CPU]
    assert devices.cuda_problem(ModelSource(MODEL)) == "the NVIDIA driver does not find a GPU"
    assert devices.cuda_problem(ModelSource(b"\x18\0\0\0ORTM")) == (
        "a file in ORT format runs only on the CPU; use the ONNX file on CUDA"
    )
    assert devices.provider_problem(ort, CUDA, ModelSource(MODEL)) == "the NVIDIA driver does not find a GPU"
    assert devices.provider_problem(ort, CPU, ModelSource(MODEL)) is None


def test_why_a_provider_did_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ort: Any = SimpleNamespace(__file__=str(tmp_path / "__init__.py"))

    def missing(name: str) -> None:
        assert name == str(tmp_path / "capi" / "libonnxruntime_providers_cuda.so")
        raise OSError("libcudnn.so.9: cannot open\nshared object file")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert devices.library_problem(ort, CUDA) == (
        "libcudnn.so.9: cannot open shared object file; CUDA and cuDNN come with pip install 'edge-predict[gpu-cuda]'"
    )
    silent = "ONNX Runtime did not start {}, and fell back to the CPU"
    assert devices.library_problem(ort, "AExecutionProvider") == silent.format("AExecutionProvider")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: None)
    assert devices.library_problem(ort, CUDA) == silent.format(CUDA)
    monkeypatch.setattr(ctypes, "CDLL", missing)
    monkeypatch.setattr(sys, "platform", "win32")
    assert devices.library_problem(ort, CUDA) == silent.format(CUDA)


@pytest.mark.parametrize(("status", "version", "expected"), [(0, 12040, (12, 4)), (0, 13000, (13, 0)), (3, 0, None)])
def test_the_cuda_of_the_driver(
    monkeypatch: pytest.MonkeyPatch, status: int, version: int, expected: tuple[int, int] | None
) -> None:
    def get(found: Any) -> int:
        found._obj.value = version
        return status

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=get))
    assert devices.driver_cuda_version() == expected


def test_no_driver_supports_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert devices.driver_cuda_version() is None
