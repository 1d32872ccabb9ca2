"""Thresholds, against costs and scores that are known exactly."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_train.thresholds import (
    Places,
    Probabilities,
    _Calibration,
    balanced_threshold,
    cost_threshold,
    f1_threshold,
    imbalance,
)


def rows(count: int, odds: float = -3.0, seed: int = 0) -> tuple[Probabilities, Places]:
    """Calibrated probabilities, and classes drawn by them."""
    random = np.random.default_rng(seed)
    found = 1 / (1 + np.exp(-random.normal(odds, 1.5, count)))
    return found, (random.random(count) < found).astype(np.int64)


def shifted(found: Probabilities, slope: float, intercept: float) -> Probabilities:
    """Probabilities that are not calibrated: those of a network that overrates a class or itself."""
    odds: Probabilities = (1 / found - 1) ** slope * np.exp(-intercept)
    return 1 / (1 + odds)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (1.0, 2.5), (2.0, -1.0), (0.5, 0.0)])
def test_the_threshold_of_the_lowest_cost_is_that_of_the_costs_alone(slope: float, intercept: float) -> None:
    found, places = rows(100_000)
    threshold = cost_threshold(shifted(found, slope, intercept), places, 1, 9)
    assert threshold == pytest.approx(shifted(np.array([0.1]), slope, intercept)[0], rel=0.05)


@pytest.mark.parametrize("odds", [-3.0, 3.0])
def test_no_other_threshold_is_clearly_better(odds: float) -> None:
    """Against all of them, on rows that none was found on."""
    found, places = rows(20_000, odds)
    others, true = rows(20_000, odds, seed=1)
    rare = int(odds < 0)

    def balanced(threshold: float) -> float:
        return float(np.mean([((others > threshold) == one)[true == one].mean() for one in (0, 1)]))

    def f1(threshold: float) -> float:
        is_rare, taken = true == rare, (others > threshold) == rare
        return float(2 * (is_rare & taken).sum() / (is_rare.sum() + taken.sum()))

    def saved(threshold: float) -> float:
        is_second = others > threshold
        return -float((is_second & (true == 0)).sum() + 4 * (~is_second & (true == 1)).sum()) / len(true)

    grid = np.quantile(others, np.linspace(0.005, 0.995, 200))
    for score, threshold in (
        (balanced, balanced_threshold(found, places)),
        (f1, f1_threshold(found, places)),
        (saved, cost_threshold(found, places, 1, 4)),
    ):
        best = max(map(score, grid))
        assert best - 0.01 < score(threshold) <= best + 0.002
        assert score(threshold) >= score(0.5)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
    st.floats(1e-9, 1e9),
    st.floats(1e-9, 1e9),
)
def test_whatever_the_rows_are_there_is_a_threshold(
    given_rows: list[tuple[float, bool]], first: float, second: float
) -> None:
    """Of one class, of one probability, in the wrong order, or separable."""
    found, places = np.array([row[0] for row in given_rows]), np.array([row[1] for row in given_rows])
    for threshold in (
        balanced_threshold(found, places),
        f1_threshold(found, places),
        cost_threshold(found, places, first, second),
    ):
        assert 0 < np.float32(threshold) < 1
        assert threshold == float(f"{threshold:.9g}")


@given(st.integers(0, 1000), st.sampled_from([-2.0, 0.0, 2.0]))
def test_the_classes_may_be_the_other_way_round(seed: int, odds: float) -> None:
    found, places = rows(60, odds, seed)
    if places.mean() != 0.5:  # then the second class has the F1 score
        assert f1_threshold(1 - found, 1 - places) == pytest.approx(1 - f1_threshold(found, places), abs=1e-3)
    assert balanced_threshold(1 - found, 1 - places) == pytest.approx(1 - balanced_threshold(found, places), abs=1e-3)
    flipped = cost_threshold(1 - found, 1 - places, 3, 1)
    assert flipped == pytest.approx(1 - cost_threshold(found, places, 1, 3), abs=1e-3)


@given(st.integers(0, 1000))
def test_a_dearer_mistake_is_made_less_often(seed: int) -> None:
    found, places = rows(80, seed=seed)
    thresholds = [cost_threshold(found, places, cost, 1) for cost in (0.01, 0.1, 1.0, 10.0, 100.0)]
    assert thresholds == sorted(thresholds)


def test_few_rows_of_the_rare_class_do_not_decide_alone() -> None:
    """The empirical optimum jumps to where the single row is; the threshold changes little."""
    found, places = rows(2000)
    thresholds = [balanced_threshold(found, np.eye(2000, dtype=np.int64)[row] | places) for row in range(0, 2000, 100)]
    assert max(thresholds) < 1.1 * min(thresholds)


def test_the_calibration_is_of_the_highest_likelihood() -> None:
    found, places = rows(500)
    answers = shifted(found, 3.0, 2.0)
    line = _Calibration.of(answers, places)

    def loss(slope: float, intercept: float) -> float:
        likely = _Calibration(slope, intercept).calibrated(answers)
        return -float(np.log(np.where(places, likely, 1 - likely)).sum())

    for slope, intercept in ((1.02, 0), (0.98, 0), (1, 0.05), (1, -0.05)):
        assert loss(line.slope * slope, line.intercept + intercept) > loss(line.slope, line.intercept) - 0.05
    assert loss(line.slope, line.intercept) < loss(1, 0) - 10


def test_answers_that_tell_nothing() -> None:
    found, places = rows(500)
    # Those in the wrong order are left as they are; those that are all the same become the frequency.
    assert _Calibration.of(1 - found, places) == _Calibration(1, 0)
    same = np.full(500, 0.3)
    assert _Calibration.of(same, places).calibrated(same) == pytest.approx(places.mean(), abs=0.005)


@pytest.mark.parametrize("is_flipped", [False, True])
def test_a_rare_class_that_is_never_predicted(is_flipped: bool) -> None:
    found, places = rows(4000)
    found = found * 0.5  # never above 0.5
    if is_flipped:
        found, places = 1 - found, 1 - places
    measured: Any = imbalance(found, places, 0.5)
    assert measured.rare == (not is_flipped)
    assert measured.frequency == pytest.approx(min(places.mean(), 1 - places.mean()))
    assert (measured.predicted, measured.balanced_accuracy) == (0, 0.5)
    assert measured.balanced_accuracy_then > 0.7
    assert measured.predicted_then == pytest.approx(((found > measured.other) == measured.rare).mean())
    assert measured.matters


def test_where_another_threshold_would_not_help() -> None:
    found, places = rows(4000)
    assert not imbalance(found, places, balanced_threshold(found, places)).matters
    # The classes are as frequent.
    assert not imbalance(*rows(4000, odds=0.0), 0.5).matters
    # The answers tell nothing.
    assert not imbalance(np.random.default_rng(1).uniform(0, 0.1, 4000), places, 0.5).matters
