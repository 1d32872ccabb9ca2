"""Sessions are opened on the first provider that starts. A fake onnxruntime is the machine with a GPU."""

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import fake_onnxruntime
import pytest
from concurrency import in_threads
from fake_onnxruntime import FakeOnnxRuntime
from paths import FOUR_BLOBS, MODELS

from edge_runtime import (
    DeviceUnavailable,
    EdgePredictError,
    InvalidInput,
    InvalidModel,
    ModelNotFound,
    OutOfResources,
    Predictor,
)
from edge_runtime.engine import opening
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.installation import import_onnxruntime, numbers
from edge_runtime.engine.processor_limits import available_processors

# It does not say how much work its rows take.
MODEL = MODELS / "three_labels.onnx"


@pytest.fixture
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeOnnxRuntime:
    return fake_onnxruntime.install(monkeypatch, request.param)


@pytest.mark.skipif(available_processors() < 2, reason="one thread is all that there is")
def test_one_thread_where_no_more_can_be_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ort = import_onnxruntime()
    make, tried = ort.InferenceSession, []

    def limited(model: Any, options: Any, **more: Any) -> Any:
        tried.append(options.intra_op_num_threads)
        if tried[-1] != 1:
            raise RuntimeError("pthread_create failed, error code: 11 error msg: Resource temporarily unavailable")
        return make(model, options, **more)

    monkeypatch.setattr(ort, "InferenceSession", limited)
    assert Predictor(MODEL, "cpu", threads=2).run({"x": [[1, 2]]})
    if tried[0] != 1:
        assert "runs on one thread: pthread_create failed" in caplog.text
    with pytest.raises(OutOfResources, match="cannot be opened now: pthread_create failed"):
        Predictor(MODEL, "cpu", session_options={"intra_op_num_threads": 2})


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_auto_uses_cuda_if_it_comes_up(fake: FakeOnnxRuntime, capsys: pytest.CaptureFixture[str]) -> None:
    assert Predictor(MODEL, "auto").provider == CUDA
    assert fake.options == {"use_tf32": "0", "enable_cuda_graph": "1"}
    Predictor(MODEL, "cuda:1")
    assert fake.options == {"use_tf32": "0", "enable_cuda_graph": "1", "device_id": "1"}
    out, err = capsys.readouterr()
    assert out == ""
    assert "Failed to load libcudnn" in err


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_another_provider(fake: FakeOnnxRuntime, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    monkeypatch.setattr(fake, "get_available_providers", lambda: ["CoreMLExecutionProvider", CPU])
    predictor = Predictor(MODEL, "CoreMLExecutionProvider")
    assert predictor.provider == "CoreMLExecutionProvider"
    assert predictor.predict([-1, 0]).tolist() == ["left"]
    assert predictor.predict_one([-1, 0]).label == "left"


@pytest.mark.parametrize("fake", ["falls back", "raises"], indirect=True)
def test_cuda_that_does_not_come_up(fake: FakeOnnxRuntime, capsys: pytest.CaptureFixture[str]) -> None:
    assert Predictor(MODEL, "auto").provider == CPU
    reason = "driver version is insufficient" if fake.cuda == "raises" else "libonnxruntime_providers_cuda|fell back"
    with pytest.raises(DeviceUnavailable, match=f"^device 'cuda' cannot be used: .*({reason})"):
        Predictor(MODEL, "cuda")
    if fake.cuda == "raises":
        with pytest.raises(DeviceUnavailable, match=r"cannot be used: CUDA failure 35: driver version is insuff\w+$"):
            Predictor(MODEL, "cuda")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fake", ["comes up", "raises"], indirect=True)
def test_a_bad_model_is_not_a_bad_device(fake: FakeOnnxRuntime, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("text")
    for device in ("auto", "cuda", "cpu"):
        with pytest.raises(InvalidModel, match=r"text\.onnx is not a model that ONNX Runtime can load"):
            Predictor(tmp_path / "text.onnx", device)
        with pytest.raises(ModelNotFound):
            Predictor(tmp_path / "nowhere.onnx", device)


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_stdout_is_left_as_it_was_by_threads_that_open_at_once(fake: FakeOnnxRuntime) -> None:
    before = sys.stdout
    opened: list[str] = []
    in_threads(lambda: opened.append(Predictor(MODEL, "cuda").provider), 16)
    assert opened == 16 * [CUDA]
    assert sys.stdout is before


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
@pytest.mark.parametrize(
    ("version", "processors", "threads", "all_processors", "given", "spins"),
    [
        # Idle threads wait a little before they sleep: more than one thread.
        ("1.26.0", 4, None, 8, 4, True),
        ("1.99.0", 8, None, 8, 0, True),
        ("1.99.0", 2, None, 8, 2, True),
        ("1.99.0", 8, 3, 8, 3, True),
        ("1.99.0", 4, 9, 8, 4, True),
        ("2.0.0", 4, 2, 8, 2, True),
        ("1.99.0", 4, 1, 8, 1, False),
        ("1.99.0", 1, None, 8, 1, False),
        # Older versions spin for long, or lose by not spinning.
        ("1.25.2", 4, None, 8, 1, False),
        ("1.9.0", 4, 4, 8, 1, False),
    ],
)
def test_threads(
    fake: FakeOnnxRuntime,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    processors: int,
    threads: int | None,
    all_processors: int,
    given: int,
    spins: bool,
) -> None:
    fake.__version__ = version
    monkeypatch.setattr(opening, "available_processors", lambda: processors)
    monkeypatch.setattr(opening, "_all_processors", lambda: all_processors)
    Predictor(MODEL, "cpu", threads=threads)
    (settings,) = fake.settings
    assert settings.intra_op_num_threads == given
    assert settings.inter_op_num_threads == 1
    entry = ("spin_duration_us", "200") if spins else ("allow_spinning", "0")
    assert settings.get_session_config_entry(f"session.intra_op.{entry[0]}") == entry[1]
    assert not settings.enable_mem_pattern
    assert settings.log_severity_level == 4


@pytest.mark.parametrize("content", [b"label,x\n1,2\n", b"\x00" * 100, b"PK\x03\x04", b"x"])
def test_not_a_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for model, name in ((path, r"model\.onnx"), (content, "the model")):
        with pytest.raises(InvalidModel, match=rf"{name} is not a model that ONNX Runtime can load \("):
            Predictor(model)


def test_truncated_anywhere() -> None:
    """What is left of a model answers as before, or says that it cannot."""
    content = FOUR_BLOBS.read_bytes()
    whole = Predictor(content, device="cpu").predict_proba([-1, 1])
    opened = 0
    for length in range(len(content)):
        try:
            part = Predictor(content[:length], device="cpu")
            answer = part.predict_proba([-1, 1])
        except EdgePredictError:
            continue
        opened += 1
        assert (answer == whole).all(), length
    # Protobuf does not notice that a file ends early, if a field ends there; the graph itself is one field.
    assert opened <= 2


# Only newer versions can be told where the files of a content are.
knows_folders = pytest.mark.skipif(
    tuple(map(int, import_onnxruntime().__version__.split(".")[:2])) < (1, 21), reason="ONNX Runtime is too old"
)


@knows_folders
def test_a_content_with_a_folder_for_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (MODELS / "external.onnx").read_bytes()
    monkeypatch.chdir(MODELS.parent)
    for folder in (MODELS, "models", str(MODELS) + "/"):
        predictor = Predictor(content, "cpu", data_folder=folder)
        monkeypatch.chdir(tmp_path)
        for one in (predictor, pickle.loads(pickle.dumps(predictor))):
            assert one.run({"x": [[1, 2]]})["y"].tolist() == [[2.5, -2.5]]
        monkeypatch.chdir(MODELS.parent)
    with pytest.raises(ModelNotFound, match=r"has its weights in external\.weights, and .* has no such file"):
        Predictor(content, "cpu", data_folder=tmp_path)


def test_the_current_folder_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(MODELS)
    content = (MODELS / "external.onnx").read_bytes()
    for model in (content, io.BytesIO(content)):
        with pytest.raises(InvalidModel, match=r"^the model has its weights in other files"):
            Predictor(model, "cpu")
    assert Predictor("external.onnx", "cpu").run({"x": [[1, 2]]})["y"].tolist() == [[2.5, -2.5]]


def test_an_old_onnxruntime_cannot_be_told_a_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(MODELS)
    old = fake_onnxruntime.install(monkeypatch, "comes up")
    old.__version__ = "1.20.1"
    with pytest.raises(InvalidModel, match=r"ONNX Runtime 1\.20\.1 finds them only beside the file .* 1\.21$"):
        Predictor((MODELS / "external.onnx").read_bytes(), "cpu", data_folder=MODELS)
    for name in ("four_blobs", "penguins", "images"):
        Predictor((MODELS / f"{name}.onnx").read_bytes(), "cpu")


@pytest.mark.parametrize("options", [{"log_severity_level": 9}, {"session.load_model_format": "ORT"}])
def test_session_options_that_are_to_blame(options: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    for model in (FOUR_BLOBS, FOUR_BLOBS.read_bytes()):
        with pytest.raises(InvalidInput, match=r"^session_options: ONNX Runtime does not open the model with them: \w"):
            Predictor(model, session_options=options)
    with pytest.raises(InvalidModel, match="is not a model"):
        Predictor(b"text", session_options=options)
    # Older ones print what they fall back to, and cannot be told not to.
    if numbers(import_onnxruntime().__version__) >= (1, 26):
        assert capfd.readouterr() == ("", "")
