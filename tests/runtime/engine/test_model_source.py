import os
import pickle
import shutil
from pathlib import Path

import pytest
from paths import FOUR_BLOBS as MODEL

from edge_runtime import InvalidModel, Predictor
from edge_runtime.engine.model_source import ModelSource

CONTENT = MODEL.read_bytes()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_read_only_once() -> None:
    source, target = os.pipe()
    os.write(target, MODEL.read_bytes())
    os.close(target)
    predictor = Predictor(f"/dev/fd/{source}")
    os.close(source)
    assert predictor.predict([-1, 1]).tolist() == [1]
    assert pickle.loads(pickle.dumps(predictor)).predict([-1, 1]).tolist() == [1]


def test_a_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"one")
    first = ModelSource(path)
    assert first.is_unchanged()
    assert first.size == 3
    path.write_bytes(b"two!")
    assert not first.is_unchanged()
    (tmp_path / "other.onnx").write_bytes(b"two!")
    second = ModelSource(path)
    (tmp_path / "other.onnx").replace(path)
    assert not second.is_unchanged()
    third = second.again()
    assert third.is_unchanged()
    path.unlink()
    assert not third.is_unchanged()
    assert ModelSource(b"one").is_unchanged()


def test_formats(tmp_path: Path) -> None:
    ort = b"\x18\0\0\0ORTM and so on"
    (tmp_path / "model").write_bytes(ort)
    assert ModelSource(ort).is_ort_format
    assert ModelSource(tmp_path / "model").is_ort_format
    assert not ModelSource(CONTENT).is_ort_format
    assert not ModelSource(MODEL).is_ort_format
    assert not ModelSource(b"ORTM").is_ort_format
    (tmp_path / "model").write_bytes(b"ORT")
    assert not ModelSource(tmp_path / "model").is_ort_format


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes in its file system")
def test_a_file_that_has_become_a_pipe_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    shutil.copy(MODEL, path)
    predictor = Predictor(path, device="cpu")
    path.unlink()
    os.mkfifo(path)
    # Nobody writes to it, so to read it would take for ever.
    with pytest.raises(InvalidModel, match=r"model\.onnx is a pipe or a device now, not a model file"):
        predictor.reload()
    predictor.predict_one([0, 0])
