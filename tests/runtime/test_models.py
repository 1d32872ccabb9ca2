"""Files that are no models, and models that are not whole."""

import os
import pickle
from pathlib import Path

import pytest
from paths import FOUR_BLOBS as MODEL

import edge_runtime
from edge_runtime import EdgePredictError, InvalidModel, ModelNotFound, Predictor
from edge_runtime.engine.ort_errors import translated
from edge_runtime.engine.session import import_onnxruntime


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"nowhere\.onnx: no such file"):
        Predictor(tmp_path / "nowhere.onnx")
    with pytest.raises(FileNotFoundError):  # for those who know nothing of this package
        Predictor(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("content", [b"", b"label,x\n1,2\n", b"\x00" * 100, b"PK\x03\x04"])
def test_not_a_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidModel, match=r"model\.onnx"):
        Predictor(path)
    with pytest.raises(InvalidModel, match="the model"):
        Predictor(content)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="is a folder"):
        Predictor(tmp_path)


@pytest.mark.parametrize(
    "path", ["a" * 300, "model\0.onnx", MODEL / "below"], ids=["too long", "a null in it", "below a file"]
)
def test_no_path(path: str | Path) -> None:
    with pytest.raises(EdgePredictError):
        Predictor(path)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe() -> None:
    read, write = os.pipe()
    os.write(write, MODEL.read_bytes())
    os.close(write)
    predictor = Predictor(f"/dev/fd/{read}")
    assert predictor.predict([-1, 1]).tolist() == [1]
    # A pipe can be read once only.
    assert pickle.loads(pickle.dumps(predictor)).predict([-1, 1]).tolist() == [1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name": "x2"}], "name": "x"}]', b'"name": "x2"}], "name": "y"}]'),
        (b'"output": "probability"', b'"output": "linear_1   "'),
        (b'{"features": [{"kind"', b'{"features": [{"mind"'),
    ],
)
def test_a_signature_that_is_not_of_this_graph(old: bytes, new: bytes) -> None:
    content = MODEL.read_bytes()
    assert content.count(old) == 1
    with pytest.raises(InvalidModel, match="the signature"):
        Predictor(content.replace(old, new))


def test_truncated_anywhere() -> None:
    """Whatever is left of a model answers as before, or says that it cannot: never anything else."""
    content = MODEL.read_bytes()
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
    # Protobuf cannot tell that a file ends early where a field ends; the graph itself is one field.
    assert opened <= 2


@pytest.mark.parametrize("name", [b"probability", b"edge_predict.signature", b"binary_classification"])
def test_names_that_are_no_text(name: bytes) -> None:
    with pytest.raises(InvalidModel, match="the model is damaged: its names are not UTF-8 text"):
        Predictor(MODEL.read_bytes().replace(name, b"\xff" + name[1:]))


def test_every_exception_of_onnxruntime_is_translated() -> None:
    import_onnxruntime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    exceptions = [value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(exceptions) >= 10
    for exception in exceptions:
        translation = translated(exception("[ONNXRuntimeError] : 1 : FAIL : the\nreason"), "m.onnx")
        assert isinstance(translation, EdgePredictError)
        assert str(translation).endswith("the reason")
        assert "m.onnx" in str(translation)


def test_public_names_are_complete() -> None:
    for name in edge_runtime.__all__:
        assert getattr(edge_runtime, name) is not None
    errors = {name for name, value in vars(edge_runtime.contract.errors).items() if isinstance(value, type)}
    assert errors <= set(edge_runtime.__all__)
    with pytest.raises(AttributeError):
        _ = edge_runtime.nothing
