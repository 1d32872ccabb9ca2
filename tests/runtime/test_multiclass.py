"""three_labels.onnx: the probabilities of right, up and left, for a row (x1, x2)."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import MODELS

from edge_runtime import InvalidModel, Prediction, Predictor, Signature
from edge_runtime.cli.command import main

MODEL = MODELS / "three_labels.onnx"
ROWS = [[1, 0], [0, 1], [-1, 0], [0, 0]]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODEL, device="cpu")


def expected(rows: Any) -> np.ndarray:
    e = np.exp(np.asarray(rows, float) @ np.array([[2, 0, -2], [0, 3, 0]]))
    return e / e.sum(axis=1, keepdims=True)


def test_answers(predictor: Predictor) -> None:
    probabilities = predictor.predict_proba(ROWS)
    np.testing.assert_allclose(probabilities, expected(ROWS), rtol=0, atol=1e-6)
    assert probabilities.dtype == np.float32
    assert predictor.predict(ROWS).tolist() == ["right", "up", "left", "right"]
    assert predictor.classes_.tolist() == ["right", "up", "left"]
    assert predictor.predict_one([-1, 0]) == Prediction("left", pytest.approx(expected([[-1, 0]])[0, 2], abs=1e-6))
    assert predictor.predict([-1, 0]).tolist() == ["left"]
    assert predictor.predict(np.empty((0, 2))).shape == (0,)
    assert predictor.predict_proba(np.empty((0, 2))).shape == (0, 3)


def test_nan_gets_the_first_label(predictor: Predictor) -> None:
    assert predictor.predict([[np.nan, 0], [0, 1]]).tolist() == ["right", "up"]
    answer = predictor.predict_one([0, np.nan])
    assert answer.label == "right"
    assert np.isnan(answer.probability)


def test_predicted() -> None:
    signature = Predictor(MODEL, device="cpu").required_signature
    nan = np.nan
    output = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.1, 0.1, nan], [0.1, nan, 0.9]], np.float32)
    assert signature.predicted(output).tolist() == [1, 0, 0, 0]
    binary = Predictor(MODELS / "four_blobs.onnx", device="cpu").required_signature
    positive = np.array([[0.2], [0.5], [0.6], [nan]], np.float32)
    assert binary.predicted(positive).tolist() == [0, 0, 1, 0]
    assert binary.predicted(np.concatenate([1 - positive, positive], axis=1)).tolist() == [0, 0, 1, 0]
    strict = dataclasses.replace(binary, threshold=0.7)
    assert strict.predicted(positive).tolist() == [0, 0, 0, 0]


def plain(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "task": "multiclass_classification",
        "inputs": [{"name": "x", "features": [{"name": "x1", "kind": "numeric"}]}],
        "output": "probabilities",
        "labels": ["a", "b", "c"],
        **changes,
    }


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"], list(range(1000))])
def test_signature(labels: list[Any]) -> None:
    signature = Signature.from_dict(plain(labels=labels))
    assert signature.labels == tuple(labels)
    assert "threshold" not in signature.to_dict()
    assert Signature.from_json(signature.to_json()) == signature


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "b", "a"], ["a", 1, 2], [1, 2, 2], "abc", ["a", "b", None]])
def test_damaged_labels(labels: Any) -> None:
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Signature.from_dict(plain(labels=labels))


def test_a_binary_task_has_two_labels() -> None:
    with pytest.raises(InvalidModel, match="two different labels are needed"):
        Signature.from_dict(plain(task="binary_classification", threshold=0.5))


def test_a_signature_that_is_not_of_this_graph() -> None:
    content = MODEL.read_bytes()
    # One label too many, in as many bytes.
    old, new = b'"labels": ["right", "up", "left"]', b'"labels":["right","u","p","left"]'
    assert len(old) == len(new)
    assert content.count(old) == 1
    with pytest.raises(InvalidModel, match="does not describe this graph"):
        Predictor(content.replace(old, new))


def test_command_line(command: Callable[..., Any], tmp_path: Path) -> None:
    assert command(main, MODEL, -1, 0) == (0, "label left  probability 0.8668\n", "")
    answer = json.loads(command(main, MODEL, -1, 0, "--format", "json").out)
    assert answer["label"] == "left"
    assert answer["probability"] == answer["probabilities"]["left"]
    assert list(answer["probabilities"]) == ["right", "up", "left"]
    rows = tmp_path / "rows.csv"
    rows.write_text("x2,x1\n1,0\n0,1\nnan,1\n")
    header, *lines = command(main, MODEL, "--input", rows, "--format", "csv").out.splitlines()
    assert header == "label,probability,probability_right,probability_up,probability_left"
    assert [line.split(",")[0] for line in lines] == ["up", "right", "right"]
    assert all(len(line.split(",")) == 5 for line in lines)


def test_describe(command: Callable[..., Any]) -> None:
    text = command(main, MODEL, "--describe").out
    assert "task      multiclass_classification\n" in text
    assert "labels    right, up, left (the one with the largest probability)\n" in text
    described = json.loads(command(main, MODEL, "--describe", "--format", "json").out)
    assert described["signature"]["labels"] == ["right", "up", "left"]
    assert described["outputs"] == [{"name": "probabilities", "type": "tensor(float)", "shape": ["batch", 3]}]
