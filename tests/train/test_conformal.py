"""Scores of held-out rows: their ranks by definition, and the coverage that follows from them, by simulation."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature, Input, Signature
from edge_train.conformal import FEWEST_ROWS, conformal_scores, coverage_line, coverage_measures

INPUTS = (Input("x", (Feature("a"),)),)
VALUES = Signature(INPUTS, "value", (), "regression")
THREE = Signature(INPUTS, "p", ("a", "b", "c"), "multiclass_classification")
TWO = Signature(INPUTS, "p", ("no", "yes"))


def close(score: float) -> Any:
    """Scores are increased by a hundredth of a thousandth, and rounded to six digits."""
    return pytest.approx(score * (1 + 1e-5), rel=6e-6)


@given(st.integers(FEWEST_ROWS, 1500), st.integers(0, 2**32 - 1))
def test_ranks_by_their_definition(rows: int, seed: int) -> None:
    """For a coverage c, the score of rank ceil((n + 1) c); no score is rounded down."""
    target = np.random.default_rng(seed).normal(size=rows).astype(np.float32)
    found = conformal_scores(VALUES, np.zeros(rows), target)
    assert found is not None
    assert found.rows == rows
    ascending = np.sort(np.abs(target.astype(np.float64)))
    for thousandths in (*range(5, 1000, 5), *range(991, 1000)):
        rank = math.ceil((rows + 1) * thousandths / 1000 - 1e-9)
        if rank > rows:
            assert found.largest_coverage < thousandths / 1000
            continue
        score = found.score_of(thousandths / 1000)
        assert score == close(ascending[rank - 1])
        assert score > ascending[rank - 1]


@pytest.mark.parametrize("rows", [19, 20, 99, 199])
def test_of_few_rows_every_rank_is_there(rows: int) -> None:
    found = conformal_scores(VALUES, np.zeros(rows), np.arange(rows, dtype=np.float32))
    assert found is not None
    assert found.ranks == tuple(range(1, rows + 1))
    assert found.scores == tuple(close(score) for score in range(rows))
    assert found.largest_coverage == rows / (rows + 1)


def test_it_takes_little_of_a_file() -> None:
    for rows in (100, 100_000):
        target = np.random.default_rng(0).lognormal(10, 3, rows).astype(np.float32)
        signature = replace(VALUES, conformal=conformal_scores(VALUES, np.zeros(rows), target))
        assert len(signature.to_json()) - len(VALUES.to_json()) < 4096


def test_too_few_rows() -> None:
    target = np.arange(FEWEST_ROWS, dtype=np.float32)
    assert conformal_scores(VALUES, np.zeros(FEWEST_ROWS - 1), target[:-1]) is None
    found = conformal_scores(VALUES, np.zeros(FEWEST_ROWS), target)
    assert found is not None
    assert found.largest_coverage == 0.95
    assert conformal_scores(VALUES, np.full(FEWEST_ROWS, np.nan), target) is None


def test_scores_of_labels() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 100)
    true = np.arange(100) % 3
    found = conformal_scores(THREE, probabilities, true)
    assert found is not None
    assert found.score_of(0.5) == close(np.sort(1 - probabilities[np.arange(100), true])[50])
    binary = probabilities[:, :2] / probabilities[:, :2].sum(1, keepdims=True)
    of_two = conformal_scores(TWO, binary, (np.arange(100) % 2).astype(np.float32))
    assert of_two is not None
    assert of_two.score_of(0.9) == close(np.sort(1 - binary[np.arange(100), np.arange(100) % 2])[90])


def test_scores_in_units_of_a_scale() -> None:
    random = np.random.default_rng(0)
    scale = random.uniform(0.1, 10, 500)
    noise = random.normal(size=500)
    found = conformal_scores(VALUES, np.zeros(500), noise * scale, scale, "scale")
    assert found is not None
    assert found.scale == "scale"
    assert found.score_of(0.9) == close(np.sort(abs(noise))[450])
    signature = replace(VALUES, conformal=found)
    (half, *_) = coverage_measures(signature, np.zeros(500), noise * scale, scale)
    assert half["mean_width"] == pytest.approx(2 * found.score_of(0.5) * scale.mean())
    assert half["empirical_coverage"] == pytest.approx(0.5, abs=0.01)


def drawn(task: str, rows: int, random: np.random.Generator) -> tuple[Any, Any]:
    """Answers of a network that is not good, and what is true."""
    if task == "regression":
        x = random.normal(size=rows)
        return 2 * x, (1.5 * x + random.standard_t(3, rows) * (1 + abs(x))).astype(np.float32)
    true_probabilities = random.dirichlet(np.ones(4), rows)
    true = (true_probabilities.cumsum(1) < random.random(rows)[:, None]).sum(1)
    answers = true_probabilities**3 + random.uniform(0, 0.05, (rows, 4))
    return answers / answers.sum(1, keepdims=True), true.astype(np.int64)


FOUR = replace(THREE, labels=("a", "b", "c", "d"))


@pytest.mark.parametrize("signature", [VALUES, FOUR])
@pytest.mark.parametrize("rows", [19, 30, 150, 1000])
def test_coverage_is_as_guaranteed(signature: Signature, rows: int) -> None:
    """Over many drawings it is from c to c + 1 / (n + 1), within four standard errors; of sets it may be larger.

    Lei et al., 2018, theorem 2.2. The drawings differ in the held-out rows and in the new ones.
    """
    random = np.random.default_rng(rows)
    drawings, new = 400, 200
    held: dict[float, list[float]] = {}
    for _ in range(drawings):
        conformal = conformal_scores(signature, *drawn(signature.task, rows, random))
        measured = coverage_measures(replace(signature, conformal=conformal), *drawn(signature.task, new, random))
        for one in measured:
            held.setdefault(one["coverage"], []).append(one["empirical_coverage"])
    assert list(held) == [0.5, 0.8, 0.9, 0.95]
    for coverage, found in held.items():
        error = 4 * np.std(found) / math.sqrt(drawings)
        assert np.mean(found) > coverage - error
        # The predicted label is in, however improbable, which is more than is asked for.
        if signature is VALUES or coverage > 0.5:
            assert np.mean(found) < coverage + 1 / (rows + 1) + error + (0.001 if signature is FOUR else 0)


def test_equal_scores_never_cover_less() -> None:
    """Rows that are there many times, answered in float32 as the artifact does."""
    answers = np.repeat(np.random.default_rng(0).dirichlet(np.ones(3), 5), 40, axis=0).astype(np.float32)
    true = np.tile([0, 1, 2, 0, 0], 40)
    conformal = conformal_scores(THREE, answers.astype(np.float64), true)
    assert conformal is not None
    rounded = 1 - (1 - answers)
    for one in coverage_measures(replace(THREE, conformal=conformal), rounded.astype(np.float64), true):
        assert one["empirical_coverage"] >= one["coverage"]


def test_coverages_that_are_not_possible_are_not_measured() -> None:
    conformal = conformal_scores(VALUES, np.zeros(19), np.arange(19, dtype=np.float32))
    signature = replace(VALUES, conformal=conformal)
    measured = coverage_measures(signature, np.zeros(4), np.array([0, 9, 12, 30], np.float32))
    assert [one["coverage"] for one in measured] == [0.5, 0.8, 0.9, 0.95]
    assert [one["empirical_coverage"] for one in measured] == [0.5, 0.75, 0.75, 0.75]
    assert measured[0]["mean_width"] == close(18)
    assert coverage_line(signature, measured) == "90% intervals hold 75.0% of the true values, mean width 34"


def test_in_words() -> None:
    found = [{"coverage": 0.9, "empirical_coverage": 0.891, "mean_size": 1.23456}]
    assert coverage_line(THREE, found) == "90% prediction sets hold 89.1% of the true labels, mean size 1.235"


def test_scores_are_multiplied() -> None:
    target = np.random.default_rng(0).normal(size=200).astype(np.float32)
    one, half = (
        conformal_scores(VALUES, np.zeros(200), target),
        conformal_scores(VALUES, np.zeros(200), target, factor=0.5),
    )
    assert one is not None
    assert half is not None
    assert half.score_of(0.9) == pytest.approx(one.score_of(0.9) / 2, rel=1e-5)
