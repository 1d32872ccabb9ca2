"""Scores are what their names say."""

import numpy as np
import pytest
from benchmarks.quality.scores import ECE, LOG_LOSS, R2, coverage, expected_calibration_error, scores
from hypothesis import given
from hypothesis import strategies as st


def test_ece_of_bins_by_hand() -> None:
    """Two rows in one bin, confidence 0.9 and half of them right; one in another, 0.6 and right."""
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    actual = np.array([0, 0, 0])
    assert expected_calibration_error(actual, probabilities) == pytest.approx((2 * abs(0.9 - 0.5) + abs(0.6 - 1)) / 3)


def test_ece_of_full_confidence_is_the_error_rate() -> None:
    actual, said = np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 2, 0]]
    assert expected_calibration_error(actual, said) == pytest.approx(0.25)


def test_bins_are_a_fifteenth_wide_and_full_confidence_is_in_the_last() -> None:
    """In one bin, what the two are off by would cancel out in part."""
    probabilities = np.array([[0.9, 0.1], [1.0, 0.0]])
    assert expected_calibration_error(np.array([0, 1]), probabilities) == pytest.approx((0.1 + 1) / 2)


@given(st.integers(0, 2**32), st.integers(2, 6))
def test_ece_is_at_most_how_far_every_row_is_off(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), 50)
    actual = random.integers(classes, size=50)
    most = np.abs(probabilities.max(axis=1) - (probabilities.argmax(axis=1) == actual)).mean()
    assert 0 <= expected_calibration_error(actual, probabilities) <= most + 1e-12


def test_scores_of_classes_and_of_values() -> None:
    found = scores(np.array([0, 1]), np.array([[0.5, 0.5, 0], [0.25, 0.75, 0]], np.float32))
    assert found.keys() == {LOG_LOSS, ECE}
    assert found[LOG_LOSS] == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)
    assert scores(np.array([1.0, 2, 3]), np.array([1.0, 2, 4])) == {R2: pytest.approx(0.5)}


def test_bounds_belong_to_their_intervals() -> None:
    bounds = np.array([[0, 1], [0, 1], [0, 1], [np.nan, np.nan]])
    assert coverage(np.array([0.0, 1, 1.1, 0]), bounds) == 0.5
