"""The measures of the benchmark of rare classes, on rows counted by hand."""

import numpy as np
import pytest
from benchmarks.rare_classes import _balanced, _best, _f1, _saved
from sklearn.metrics import balanced_accuracy_score, f1_score

FOUND = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7])
PLACES = np.array([0, 0, 1, 0, 0, 1])


@pytest.mark.parametrize("threshold", [0.15, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("is_flipped", [False, True])
def test_measures_of_the_rare_class(threshold: float, is_flipped: bool) -> None:
    found, places, at = (1 - FOUND, 1 - PLACES, 1 - threshold) if is_flipped else (FOUND, PLACES, threshold)
    predicted = np.array([one > threshold for one in FOUND])
    assert _balanced(found, places, at) == pytest.approx(balanced_accuracy_score(PLACES, predicted))
    assert _f1(found, places, at) == pytest.approx(f1_score(PLACES, predicted))
    alarms, misses = (predicted & (PLACES == 0)).sum(), (~predicted & (PLACES == 1)).sum()
    assert _saved(found, places, at) == pytest.approx(-(alarms + 10 * misses) / 6)


def test_the_best_threshold_is_between_two_answers() -> None:
    assert _best(_saved, FOUND, PLACES) == pytest.approx(0.25)
    assert _best(_balanced, FOUND, PLACES) in (pytest.approx(0.25), pytest.approx(0.65))
