import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from commands import assert_python_runs
from paths import FOUR_BLOBS as MODEL
from paths import MODELS
from sessions import session_of

from edge_runtime import InferenceFailed, InvalidInput, InvalidModel, TensorSpec
from edge_runtime.contract.certificate import content_sha256
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.session import _spec


def test_what_it_says_of_itself() -> None:
    session = session_of(MODEL, "cpu")
    assert session.inputs == (TensorSpec("x", "tensor(float)", ("batch", 2)),)
    assert session.outputs == (TensorSpec("probability", "tensor(float)", ("batch", 1)),)
    assert (session.provider, session.device_id, session.turn) == ("CPUExecutionProvider", 0, None)
    assert session.version == import_onnxruntime().__version__
    assert {"edge_predict.signature", "edge_predict.workload"} == session.metadata.keys()
    tensors = {spec.name: spec for spec in session_of(MODELS / "tensors.onnx", "cpu").inputs}
    assert (tensors["bool"].shape, tensors["scalar"].shape, tensors["uint8"].shape) == ((None,), (), (3,))


def test_shapes_in_onnxruntimes_words() -> None:
    tensor = SimpleNamespace(name="x", type="tensor(float)", shape=["batch", 3, "?", "", -1, None, 0])
    assert _spec(tensor) == TensorSpec("x", "tensor(float)", ("batch", 3, None, None, None, None, 0))
    assert _spec(SimpleNamespace(name="x", type="tensor(float)", shape=None)).shape == ()


def test_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = MODEL.read_bytes()
    (tmp_path / "model.onnx").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    of_path, of_content = session_of(Path("model.onnx"), "cpu"), session_of(content, "cpu")
    assert (of_path.source.model, of_content.source.model) == (tmp_path / "model.onnx", content)
    assert (of_path.source.size, of_content.source.size) == (len(content), len(content))
    assert of_path.source.content_sha256() == of_content.source.content_sha256() == content_sha256(content)
    assert repr(of_path) == "Session('model.onnx', CPUExecutionProvider)"
    assert repr(of_content) == f"Session(<{len(content):,} bytes>, CPUExecutionProvider)"
    assert of_path.source.is_unchanged()
    assert of_content.source.is_unchanged()
    (tmp_path / "model.onnx").write_bytes(content + b" ")
    assert not of_path.source.is_unchanged()
    assert (of_path.source.size, of_path.source.content_sha256()) == (len(content), content_sha256(content))
    (tmp_path / "model.onnx").unlink()
    assert not of_path.source.is_unchanged()
    assert of_path.source.opens_the_same()


def test_runs() -> None:
    session = session_of(MODELS / "outputs.onnx", "cpu")
    feed = {"x": np.array([[1, 2]], np.float32)}
    y, largest = session.run(["y", "largest"], feed)
    assert (y.tolist(), largest.tolist()) == ([[2.5, -2.5]], [0])
    assert [len(session.run(names, feed)) for names in (["positive"], ["positive", "y"])] == [1, 2]


def test_what_onnxruntime_refuses() -> None:
    session = session_of(MODELS / "outputs.onnx", "cpu")
    for feed in ({"x": np.zeros((1, 3), np.float32)}, {"x": np.zeros((1, 2))}, {"z": np.zeros((1, 2), np.float32)}):
        with pytest.raises(InvalidInput, match="the model cannot take these inputs: "):
            session.run(["y"], feed)


def test_what_fails_while_computing() -> None:
    session = session_of(MODELS / "outputs.onnx", "cpu")
    with pytest.raises((InferenceFailed, InvalidInput), match="the model"):
        session.run(["nothing"], {"x": np.zeros((1, 2), np.float32)})


def test_bound_arrays_are_read_and_written_in_place() -> None:
    session = session_of(MODELS / "outputs.onnx", "cpu")
    x, y = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)
    largest, positive = np.zeros(2, np.int64), np.zeros((2, 2), bool)
    call = session.bound({"x": x}, {"y": y, "largest": largest, "positive": positive})
    for rows in ([[1, 2], [-1, 3]], [[0, -1], [2, 2]]):
        x[...] = rows
        call()
        np.testing.assert_array_equal(y, x * np.array([2.5, -1.25], np.float32))
        np.testing.assert_array_equal(largest, y.argmax(axis=1))
        np.testing.assert_array_equal(positive, y > 0)


@pytest.mark.parametrize("name", [b"probability", b"edge_predict.signature", b"binary_classification"])
def test_names_that_are_not_utf8(name: bytes) -> None:
    content = MODEL.read_bytes()
    assert name in content
    with pytest.raises(InvalidModel) as raised:
        session_of(content.replace(name, b"\xff" + name[1:]), "cpu")
    assert str(raised.value) == "the model is damaged: its names are not UTF-8 text; export the model again"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.parametrize("end", ["pass", "del session"])
def test_a_session_survives_a_fork(end: str) -> None:
    """Its threads do not: calls must do without them, and so must the end of the session.

    The child ends as those of multiprocessing do: ONNX Runtime 1.32 hangs in exit() after any fork.
    """
    script = f"""
import os, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.session import Session
from edge_runtime.engine.session_settings import SessionSettings
session = Session(ModelSource({str(MODEL)!r}), SessionSettings("cpu"))
feed = {{"x": np.random.default_rng(0).normal(size=(200_000, 2)).astype(np.float32)}}
(before,) = session.run(["probability"], feed)
child = os.fork()
if not child:
    (after,) = session.run(["probability"], feed)
    assert (before == after).all()
    {end}
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert_python_runs(script)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_session_of_which_a_call_is_left_survives_a_fork() -> None:
    """Such calls are in cycles, which the child may be the first to free."""
    assert_python_runs(f"""
import gc, os, signal, sys
from edge_runtime import Predictor
predictor = Predictor({str(MODELS / "three_labels.onnx")!r}, device="cpu")
predictor.predict_one([-1, 1])
(buffers,) = predictor._runner.placement.turns.current
run = buffers.one.run
del predictor, buffers
gc.collect()
child = os.fork()
if not child:
    signal.alarm(20)
    del run
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")
