"""Models that are served only if a trusted key has signed them, when the server starts and ever after."""

import logging
from pathlib import Path

import pytest
from commands import assert_one_line
from paths import FOUR_BLOBS, MODELS
from servers import serving
from signatures import new_key, public_pem, signed

from edge_runtime import Predictor
from edge_runtime.serve import ServedModels
from edge_runtime.serve.command import main

pytest.importorskip("cryptography")

KEY, OTHER = new_key(), new_key()
BLOBS, THREE = FOUR_BLOBS.read_bytes(), (MODELS / "three_labels.onnx").read_bytes()


def put(path: Path, content: bytes) -> None:
    beside = path.with_name("new")
    beside.write_bytes(content)
    beside.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    put(tmp_path / "model.onnx", BLOBS)
    put(tmp_path / "model.sig", signed(KEY, {"model.onnx": BLOBS}))
    put(tmp_path / "key.pub", public_pem(KEY))
    put(tmp_path / "other.pub", public_pem(OTHER))
    return tmp_path / "model.onnx"


def test_a_new_file_is_taken_if_it_is_signed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = ServedModels({"m": Predictor(path, device="cpu", trust=public_pem(KEY))})["m"]
    begun = model.opened
    put(path, THREE)
    with caplog.at_level(logging.ERROR, "edge_runtime.serve"):
        for _ in range(3):
            assert not model.reload()
    # Said once, and not read again as long as both files stay as they are.
    (record,) = caplog.records
    assert "m was changed, and cannot be used; the old one goes on answering: " in record.getMessage()
    assert "is not as it was signed" in record.getMessage()
    assert model.opened is begun
    put(path.with_suffix(".sig"), signed(OTHER, {"model.onnx": THREE}))
    assert not model.reload()
    assert model.opened is begun
    # A signature that arrives after its model is seen.
    put(path.with_suffix(".sig"), signed(KEY, {"model.onnx": THREE}))
    assert model.reload()
    assert model.opened.predictor.classes_.size == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_serves_what_is_signed(path: Path, workers: int) -> None:
    trust = ("--trust", path.with_name("other.pub"), "--trust", path.with_name("key.pub"))
    with serving(path, *trust, "--workers", workers) as server:
        assert server.ask("/models/model/predict", "[[-1, 1]]").status == 200


def test_the_command_refuses_the_rest_in_one_line(path: Path, command: object) -> None:
    run = command
    assert callable(run)
    asked = (main, path, "--port", 0, "--trust")
    assert_one_line(run(*asked, path.with_name("other.pub")), 1, "model: ", "was signed with another key")
    assert_one_line(run(*asked, path.with_name("nowhere.pub")), 1, "nowhere.pub: no such file")
    path.with_suffix(".sig").unlink()
    assert_one_line(run(*asked, path.with_name("key.pub")), 1, "model: ", "model.onnx is not signed")
