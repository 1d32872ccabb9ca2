"""`Predictor` for three_labels.onnx: the probabilities of right, up and left, for a row (x1, x2)."""

from typing import Any

import numpy as np
import pytest
from looping import looping
from paths import MODELS

from edge_runtime import Prediction, Predictor

MODEL = MODELS / "three_labels.onnx"
ROWS = [[1, 0], [0, 1], [-1, 0], [0, 0]]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODEL, device="cpu")


def expected(rows: Any) -> np.ndarray:
    e = np.exp(np.asarray(rows, float) @ np.array([[2, 0, -2], [0, 3, 0]]))
    probabilities: np.ndarray = e / e.sum(axis=1, keepdims=True)
    return probabilities


def test_answers(predictor: Predictor) -> None:
    probabilities = predictor.predict_proba(ROWS)
    np.testing.assert_allclose(probabilities, expected(ROWS), rtol=0, atol=1e-6)
    assert probabilities.dtype == np.float32
    assert predictor.predict(ROWS).tolist() == ["right", "up", "left", "right"]
    assert predictor.classes_.tolist() == ["right", "up", "left"]
    near: Any = pytest.approx(expected([[-1, 0]])[0, 2], abs=1e-6)
    assert predictor.predict_one([-1, 0]) == Prediction("left", near)
    assert predictor.predict([-1, 0]).tolist() == ["left"]
    assert predictor.predict(np.empty((0, 2))).shape == (0,)
    assert predictor.predict_proba(np.empty((0, 2))).shape == (0, 3)


def test_nan_gets_the_first_label(predictor: Predictor) -> None:
    assert predictor.predict([[np.nan, 0], [0, 1]]).tolist() == ["right", "up"]
    answer = predictor.predict_one([0, np.nan])
    assert answer.label == "right"
    assert np.isnan(answer.probability)


@pytest.mark.parametrize("labels", [(2**63, -1), (-1, 2**64 - 1), (0, 2**64 - 1), ("a", "a\0"), (True, False)])
def test_labels_stay_what_they_are(labels: tuple[Any, ...]) -> None:
    predictor = Predictor(looping(labels), device="cpu")
    assert predictor.classes_.tolist() == list(labels)
    for answer in (*predictor.predict([ROWS[0], ROWS[1]]).tolist(), predictor.predict_one(ROWS[0]).label):
        assert answer in labels
        assert type(answer) is type(labels[0])
