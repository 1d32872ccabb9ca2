"""Which device a model really runs on. Stand-ins play the machines that this one is not."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from concurrency import in_threads
from paths import MODELS

from edge_runtime import DeviceUnavailable, InvalidModel, ModelNotFound, Predictor, RuntimeNotInstalled, UnknownDevice
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import devices, installation, session

# It does not say what its rows take.
MODEL = MODELS / "three_labels.onnx"
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

no_gpu = pytest.mark.skipif(devices.cuda_driver_problem() is None, reason="this machine has an NVIDIA GPU")


@pytest.mark.parametrize("device", ["auto", "cpu", CPU])
@no_gpu
def test_cpu(device: str) -> None:
    predictor = Predictor(MODELS / "four_blobs.onnx", device)
    assert predictor.provider == CPU
    assert predictor.predict([-1, 1]).tolist() == [1]


@pytest.mark.parametrize("device", ["cuda", "cuda:1", CUDA])
@no_gpu
def test_cuda_is_refused_without_a_gpu(device: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceUnavailable, match=r"does not have CUDA|NVIDIA driver"):
        Predictor(MODEL, device)
    assert capfd.readouterr() == ("", "")


@no_gpu
def test_auto_falls_back_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    assert Predictor(MODEL, "auto").provider == CPU
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("device", ["gpu", "", "cuda:", "cuda:x", "CPU", "cpu:0", "tpu"])
def test_unknown_device(device: str) -> None:
    with pytest.raises(UnknownDevice, match="use auto, cpu, cuda"):
        Predictor(MODEL, device)


def test_a_provider_that_is_not_there() -> None:
    with pytest.raises(DeviceUnavailable, match=r"does not have NothingExecutionProvider, only .*CPUExecutionProvider"):
        Predictor(MODEL, "NothingExecutionProvider")


class FakeOnnxRuntime:
    """An onnxruntime whose CUDA behaves as told: comes up, falls back without a word, or raises."""

    def __init__(self, cuda: str) -> None:
        self.cuda = cuda
        self.options: dict[str, str] = {}
        self.__file__, self.__version__ = str(Path(sys.executable)), "1.99.0"
        self.real = session.import_onnxruntime()

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    def SessionOptions(self) -> Any:  # noqa: N802
        return self.real.SessionOptions()

    def RunOptions(self) -> Any:  # noqa: N802
        return self.real.RunOptions()

    def preload_dlls(self) -> None:
        print("Failed to load libcudnn.so.9")

    def InferenceSession(self, source: Any, settings: Any, providers: list[Any], **_: Any) -> Any:  # noqa: N802
        opened = self.real.InferenceSession(source, settings, providers=[CPU])
        if providers == [CPU]:
            return opened
        if self.cuda == "raises":
            raise RuntimeError("CUDA failure 35: driver version is insufficient")
        ((_, self.options),) = providers
        names = [CUDA, CPU] if self.cuda == "comes up" else [CPU]
        return SimpleNamespace(
            get_providers=lambda: names,
            get_inputs=opened.get_inputs,
            get_outputs=opened.get_outputs,
            get_modelmeta=opened.get_modelmeta,
            run=opened.run,
            _sess=opened._sess,
        )


@pytest.fixture
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeOnnxRuntime:
    ort = FakeOnnxRuntime(request.param)
    monkeypatch.setattr(session, "import_onnxruntime", lambda: ort)
    monkeypatch.setattr(devices, "import_onnxruntime", lambda: ort)
    monkeypatch.setattr(devices, "cuda_driver_problem", lambda: None)
    return ort


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_auto_takes_cuda_where_it_comes_up(fake: FakeOnnxRuntime, capsys: pytest.CaptureFixture[str]) -> None:
    assert Predictor(MODEL, "auto").provider == CUDA
    assert fake.options == {"use_tf32": "0", "enable_cuda_graph": "1"}
    Predictor(MODEL, "cuda:1")
    assert fake.options == {"use_tf32": "0", "enable_cuda_graph": "1", "device_id": "1"}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
@pytest.mark.parametrize(("cost", "rows", "provider"), [(1e6, 10_000, CUDA), (1e4, 3, CPU), (10.0, 10_000, CPU)])
def test_auto_takes_cuda_for_the_calls_that_gain_by_it(
    fake: FakeOnnxRuntime, with_metadata: Callable[..., bytes], cost: float, rows: int, provider: str
) -> None:
    workload = Workload(independent=True, cost=cost, bytes=40)
    predictor = Predictor(with_metadata(MODEL.read_bytes(), WORKLOAD_KEY, workload.to_json()))
    assert (predictor.provider, fake.options) == (CPU, {})
    table = np.zeros((rows, 2), np.float32)
    assert predictor.predict_proba(table).shape == (rows, 3)
    assert ("use_tf32" in fake.options) == (provider == CUDA)
    assert predictor.run({"x": table})["probabilities"].shape == (rows, 3)
    assert ("use_tf32" in fake.options) == (provider == CUDA)


@pytest.mark.parametrize("fake", ["raises"], indirect=True)
def test_auto_does_without_cuda_that_does_not_come_up(
    fake: FakeOnnxRuntime, with_metadata: Callable[..., bytes]
) -> None:
    workload = Workload(independent=True, cost=1e6, bytes=40)
    predictor = Predictor(with_metadata(MODEL.read_bytes(), WORKLOAD_KEY, workload.to_json()))
    assert predictor.predict_proba(np.zeros((10_000, 2), np.float32)).shape == (10_000, 3)


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_stdout_is_left_as_it_was_by_threads_that_open_at_once(fake: FakeOnnxRuntime) -> None:
    before = sys.stdout
    opened: list[str] = []
    in_threads(lambda: opened.append(Predictor(MODEL, "cuda").provider), 16)
    assert opened == 16 * [CUDA]
    assert sys.stdout is before


@pytest.mark.parametrize("fake", ["falls back", "raises"], indirect=True)
def test_cuda_that_does_not_come_up(fake: FakeOnnxRuntime, capsys: pytest.CaptureFixture[str]) -> None:
    assert Predictor(MODEL, "auto").provider == CPU
    reason = "driver version is insufficient" if fake.cuda == "raises" else "libonnxruntime_providers_cuda|fell back"
    with pytest.raises(DeviceUnavailable, match=f"device 'cuda' cannot be used: .*({reason})"):
        Predictor(MODEL, "cuda")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_a_bad_model_is_no_bad_device(fake: FakeOnnxRuntime, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("text")
    for device in ("auto", "cuda", "cpu"):
        with pytest.raises(InvalidModel):
            Predictor(tmp_path / "text.onnx", device)
        with pytest.raises(ModelNotFound):
            Predictor(tmp_path / "nowhere.onnx", device)


def test_both_packages_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installation.import_onnxruntime.cache_clear()
    monkeypatch.setattr(installation, "_distributions", lambda folders: ["onnxruntime", "onnxruntime-gpu"])
    with pytest.raises(RuntimeNotInstalled, match="pip uninstall -y onnxruntime onnxruntime-gpu && pip install"):
        Predictor(MODEL)


def test_packages_are_known_by_their_folders(tmp_path: Path) -> None:
    for name in (
        "onnxruntime-1.20.0.dist-info",
        "onnxruntime_gpu-1.20.0.dist-info",
        "onnxruntime",
        "onnx-1.0.dist-info",
    ):
        (tmp_path / name).mkdir()
    assert installation._distributions([str(tmp_path), str(tmp_path / "nowhere")]) == ["onnxruntime", "onnxruntime-gpu"]


@pytest.mark.parametrize(
    ("installed", "import_statement", "message"),
    [
        (False, "raise ImportError('No module named onnxruntime')", "pip install 'edge-predict[cpu]'"),
        (True, "raise ImportError('DLL load failed')", "DLL load failed.*pip install --force-reinstall onnxruntime"),
        (True, "pass", "incomplete; fix it with pip install --force-reinstall"),
    ],
)
def test_onnxruntime_missing_or_broken(tmp_path: Path, installed: bool, import_statement: str, message: str) -> None:
    (tmp_path / "onnxruntime.py").write_text(import_statement)
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from edge_runtime import Predictor, RuntimeNotInstalled
from edge_runtime.engine import installation
installation._distributions = lambda folders: ["onnxruntime"] if {installed} else []
try:
    Predictor({str(MODEL)!r})
except RuntimeNotInstalled as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.search(message.replace("[", r"\["), found.stdout), found
