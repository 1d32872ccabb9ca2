from pathlib import Path

import numpy as np
import pytest
from benchmarks.soak.known import Known

ROWS = np.zeros((4, 2), np.float32)
KNOWN = Known((Path("a"), Path("b")), ROWS, np.array([[0.1, 0.9, 0.2, 0.8], [0.7, 0.3, 0.6, 0.4]]))


def test_answers_of_either_model_fit() -> None:
    for model in (0, 1):
        found = KNOWN.probabilities[model]
        assert KNOWN.fit([0, 1, 2, 3], found + 9e-6)
        assert KNOWN.labels_fit([0, 1, 2, 3], found > 0.5)


@pytest.mark.parametrize("off", [2e-5, -2e-5, float("nan"), 0.5])
def test_a_wrong_answer_does_not(off: float) -> None:
    found = KNOWN.probabilities[0].copy()
    found[2] += off
    assert not KNOWN.fit([0, 1, 2, 3], found)


def test_answers_of_both_models_in_one_call_do_not() -> None:
    mixed = [0.1, 0.9, 0.6, 0.4]
    assert not KNOWN.fit([0, 1, 2, 3], mixed)
    assert not KNOWN.labels_fit([0, 1, 2, 3], [0, 1, 1, 0])


def test_answers_in_json() -> None:
    right = [{"label": 0, "probabilities": {"0": 0.9, "1": 0.1}}, {"label": 1, "probabilities": {"0": 0.1, "1": 0.9}}]
    assert KNOWN.answers_fit([0, 1], right)
    assert not KNOWN.answers_fit([0, 1], right[:1])
    assert not KNOWN.answers_fit([1, 0], right)
    assert not KNOWN.answers_fit([0, 1], [{**right[0], "label": 1}, right[1]])
