"""A model in an isolated process in the place of a session: what its process says is not believed blindly."""

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import appended
from paths import FOUR_BLOBS, MODELS

from edge_runtime import ContentMismatch, EdgePredictError, IsolatedPredictor, IsolationFailed, Limits, Predictor
from edge_runtime.isolate import process, session
from edge_runtime.isolate.process import IsolatedProcess

pytestmark = pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")

FEED = {"x": np.ones((2, 2), np.float32)}
# A process that was taken over, and answers what it likes.
LIAR = """
import pickle, sys
from edge_runtime.isolate import child
changes = pickle.loads(bytes.fromhex({changes!r}))
class Liar(child._Answers):
    def __getattribute__(self, name):
        honest = object.__getattribute__(self, name)
        if name not in changes:
            return honest
        change = changes[name]
        return lambda *arguments: {{**honest(*arguments), **change}} if isinstance(change, dict) else change
child._Answers = Liar
child.main(int(sys.argv[1]))
"""


def lie(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    path = "import json, sys; sys.path[:] = json.loads(sys.argv[2])\n"
    monkeypatch.setattr(process, "_START", path + LIAR.format(changes=pickle.dumps(changes).hex()))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": None},
        {"metadata": {1: "a"}},
        {"metadata": []},
        {"metadata": {"edge_predict.signature": "{}"}},
        {"metadata": {"edge_predict.signature": "["}},
        {"inputs": [["x"]]},
        {"inputs": [["x", "tensor(float)", [-1.5]]]},
        {"outputs": [[1, 2, 3]]},
        {"outputs": []},
        {"overridable_initializers": {}},
    ],
)
def test_what_is_said_at_opening(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lie(monkeypatch, open=changes)
    with pytest.raises(EdgePredictError):
        IsolatedPredictor(FOUR_BLOBS)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        [1],
        ["text"],
        [np.zeros((1, 1))],
        [np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)],
        [np.array(["a"], np.object_)],
        {"probability": np.zeros((1, 1), np.float32)},
    ],
)
def test_outputs_that_are_not_declared(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lie(monkeypatch, run=answer)
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        for call in (predictor.predict, predictor.predict_one, predictor.predict_proba):
            with pytest.raises(EdgePredictError):
                call([[1, 1]])


@pytest.mark.parametrize("name", ["certificate", "metadata", "verify"])
def test_other_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lie(monkeypatch, **{name: [1]})
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        with pytest.raises(IsolationFailed, match="does not answer as it should"):
            getattr(predictor, name)() if name == "verify" else getattr(predictor, name)
        assert predictor.predict([[-1, 1]]).tolist() == [1]


def external(folder: Path) -> Path:
    """A copy of a model that is opened by its path, since its weights are in another file."""
    for file in MODELS.glob("external.*"):
        shutil.copy(file, folder)
    return folder / "external.onnx"


def replaced_while_opened(monkeypatch: pytest.MonkeyPatch, path: Path, content: bytes) -> None:
    def start(limits: Limits) -> IsolatedProcess:
        (path.parent / "new").write_bytes(content)
        (path.parent / "new").replace(path)
        return IsolatedProcess(limits)

    monkeypatch.setattr(session, "IsolatedProcess", start)


@pytest.mark.parametrize("pinned", [False, True])
def test_a_file_that_is_replaced_while_its_process_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: bool
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(FOUR_BLOBS.read_bytes())
    expected = Predictor(path, device="cpu")
    replaced_while_opened(monkeypatch, path, (MODELS / "mass.onnx").read_bytes())
    with IsolatedPredictor(path, sha256=expected.sha256 if pinned else None) as predictor:
        # All of it is the first file: what was read here, and what answers there.
        assert predictor.sha256 == expected.sha256
        assert predictor.source == path
        assert predictor.predict_proba([[-1, 1]]).tobytes() == expected.predict_proba([[-1, 1]]).tobytes()
        if not pinned:
            assert predictor.reload()
            assert isinstance(predictor.predict_one([1, 2]), float)


def test_a_large_file_that_is_replaced_while_its_process_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = external(tmp_path)
    replaced_while_opened(monkeypatch, path, appended(path.read_bytes(), "note", "another"))
    with pytest.raises(ContentMismatch, match="was changed while it was opened; open the model again"):
        IsolatedPredictor(path)


def test_a_file_that_was_changed_is_not_opened_again(tmp_path: Path) -> None:
    path = external(tmp_path)
    with IsolatedPredictor(path) as predictor:
        lost = predictor._runner.placement.isolated._process  # type: ignore[attr-defined]
        lost._end()
        predictor.run(FEED)
        again = predictor._runner.placement.isolated._process  # type: ignore[attr-defined]
        assert again is not lost
        again._end()
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(IsolationFailed, match="was changed"):
            predictor.run(FEED)


def test_a_content_that_was_read_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(FOUR_BLOBS.read_bytes())
    with IsolatedPredictor(path) as predictor:
        predictor._runner.placement.isolated._process._end()  # type: ignore[attr-defined]
        path.unlink()
        assert predictor.predict([[-1, 1]]).tolist() == [1]


def test_calls_are_not_bound_to_its_memory() -> None:
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        plain = Predictor(FOUR_BLOBS, device="cpu")
        for rows in (1, 2, 1000, 100_000):
            values = np.random.default_rng(rows).normal(size=(rows, 2)).astype(np.float32)
            for _ in range(2):
                assert predictor.predict_proba(values).tobytes() == plain.predict_proba(values).tobytes()
