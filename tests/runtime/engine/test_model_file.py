import os
import pickle
from pathlib import Path

import pytest
from paths import FOUR_BLOBS as MODEL

from edge_runtime import EdgePredictError, InvalidModel, ModelNotFound, Predictor
from edge_runtime.engine.model_file import examined, is_ort_format, stamp


def test_a_file_that_can_be_read_is_opened_by_its_path() -> None:
    assert examined(MODEL) == (str(MODEL), stamp(MODEL), None)


@pytest.mark.parametrize("open_model", [examined, Predictor])
def test_what_cannot_be_read(open_model: object, tmp_path: Path) -> None:
    assert callable(open_model)
    (tmp_path / "empty.onnx").write_bytes(b"")
    for path, error, message in (
        (tmp_path / "nowhere.onnx", ModelNotFound, f"{tmp_path / 'nowhere.onnx'}: no such file"),
        (tmp_path / "nowhere" / "m.onnx", ModelNotFound, f"{tmp_path / 'nowhere' / 'm.onnx'}: no such file"),
        (tmp_path, InvalidModel, f"{tmp_path} is a folder, not a model file"),
        (tmp_path / "empty.onnx", InvalidModel, f"{tmp_path / 'empty.onnx'} is empty; export the model again"),
        (MODEL / "below", InvalidModel, f"{MODEL / 'below'} cannot be read: Not a directory"),
        (Path("a" * 300), InvalidModel, f"{'a' * 300} cannot be read: File name too long"),
        (Path("model\0.onnx"), InvalidModel, "'model\\x00.onnx' is not a path: embedded null byte"),
    ):
        with pytest.raises(error) as raised:
            open_model(path)
        assert str(raised.value) == message
        assert isinstance(raised.value, EdgePredictError)
    with pytest.raises(FileNotFoundError):  # for code without this package's errors
        open_model(tmp_path / "nowhere.onnx")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever runs the tests may read everything")
def test_a_file_that_must_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / "model.onnx").chmod(0)
    with pytest.raises(InvalidModel, match="cannot be read: Permission denied"):
        examined(tmp_path / "model.onnx")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_read_only_once() -> None:
    source, target = os.pipe()
    os.write(target, MODEL.read_bytes())
    os.close(target)
    predictor = Predictor(f"/dev/fd/{source}")
    os.close(source)
    assert predictor.predict([-1, 1]).tolist() == [1]
    assert pickle.loads(pickle.dumps(predictor)).predict([-1, 1]).tolist() == [1]


def test_stamps(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    assert stamp(path) == (0, 0, 0, 0)
    path.write_bytes(b"one")
    first = stamp(path)
    assert first == stamp(path)
    assert first[2] == 3
    path.write_bytes(b"two!")
    assert stamp(path) != first
    (tmp_path / "other.onnx").write_bytes(b"two!")
    second = stamp(path)
    (tmp_path / "other.onnx").replace(path)
    assert stamp(path) != second


def test_formats(tmp_path: Path) -> None:
    ort, onnx = b"\x18\0\0\0ORTM and so on", MODEL.read_bytes()
    (tmp_path / "model").write_bytes(ort)
    assert is_ort_format(ort)
    assert is_ort_format(tmp_path / "model")
    assert is_ort_format(str(tmp_path / "model"))
    assert not is_ort_format(onnx)
    assert not is_ort_format(MODEL)
    assert not is_ort_format(b"ORTM")
    (tmp_path / "model").write_bytes(b"")
    assert not is_ort_format(tmp_path / "model")
