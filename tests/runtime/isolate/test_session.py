"""A model in an isolated process in the place of a session: what its process says is not believed blindly."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import FOUR_BLOBS

from edge_runtime import EdgePredictError, IsolatedPredictor, IsolationFailed, Predictor
from edge_runtime.isolate import process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")

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


def test_a_file_that_was_changed_is_not_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(FOUR_BLOBS.read_bytes())
    with IsolatedPredictor(path) as predictor:
        lost = predictor._runner.placement.isolated._process  # type: ignore[attr-defined]
        lost._end()
        assert predictor.predict([[-1, 1]]).tolist() == [1]
        again = predictor._runner.placement.isolated._process  # type: ignore[attr-defined]
        assert again is not lost
        again._end()
        path.write_bytes(FOUR_BLOBS.read_bytes() + b"\0")
        with pytest.raises(IsolationFailed, match="was changed"):
            predictor.predict([[-1, 1]])


def test_calls_are_not_bound_to_its_memory() -> None:
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        plain = Predictor(FOUR_BLOBS, device="cpu")
        for rows in (1, 2, 1000, 100_000):
            values = np.random.default_rng(rows).normal(size=(rows, 2)).astype(np.float32)
            for _ in range(2):
                assert predictor.predict_proba(values).tobytes() == plain.predict_proba(values).tobytes()
