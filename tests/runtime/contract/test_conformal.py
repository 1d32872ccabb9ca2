"""Scores at ranks: which one a coverage asks for, and what intervals and sets follow from it."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Conformal, InvalidInput, InvalidModel, Signature

EVERY = Conformal(9, tuple(range(1, 10)), tuple(map(float, range(1, 10))))
SOME = Conformal(99, (50, 90, 99), (1.5, 3.25, 8.0))


@st.composite
def conformals(draw: st.DrawFn) -> Conformal:
    rows = draw(st.integers(1, 10_000))
    ranks = sorted(draw(st.sets(st.integers(1, rows), min_size=1, max_size=20)))
    numbers = st.floats(0, allow_nan=False, allow_infinity=False)
    scores = sorted(draw(st.lists(numbers, min_size=len(ranks), max_size=len(ranks))))
    return Conformal(rows, tuple(ranks), tuple(scores), draw(st.none() | st.text()))


@given(conformals())
def test_round_trip(conformal: Conformal) -> None:
    signature = replace(tables.MASS, conformal=conformal)
    assert signature.to_dict()["schema_version"] == tables.MASS.to_dict()["schema_version"]
    for read in (Signature.from_json(signature.to_json()), Signature.from_dict(signature.to_dict())):
        assert read == signature
        assert read.to_json() == signature.to_json()


@given(conformals(), st.fractions(0, 1).filter(lambda one: 0 < float(one) < 1))
def test_the_lowest_rank_that_is_enough(conformal: Conformal, coverage: Fraction) -> None:
    enough = [
        score
        for rank, score in zip(conformal.ranks, conformal.scores, strict=True)
        if rank / (conformal.rows + 1) >= float(coverage)
    ]
    if enough:
        assert conformal.score_of(float(coverage)) == enough[0]
    else:
        assert coverage > conformal.largest_coverage
        with pytest.raises(InvalidInput, match="the largest possible is"):
            conformal.score_of(float(coverage))


def test_decimals_are_the_ranks_that_people_mean() -> None:
    """No product of floats is rounded above the rank."""
    for rank in range(1, 1000):
        one = Conformal(999, (*range(1, 1000),), (*map(float, range(1, 1000)),))
        assert one.score_of(rank / 1000) == float(f"{rank}")
    assert [EVERY.score_of(coverage) for coverage in (0.1, 0.3, 0.7, 0.9, 0.11, 0.89)] == [1, 3, 7, 9, 2, 9]
    assert [SOME.score_of(coverage) for coverage in (0.001, 0.5, 0.51, 0.9, 0.99)] == [1.5, 1.5, 3.25, 3.25, 8.0]
    assert SOME.score_of(np.float64(0.25)) == 1.5


@pytest.mark.parametrize("coverage", [0, 1, -0.5, 1.5, 90, math.nan, math.inf, True, None, "0.9", np.array([0.9])])
def test_what_is_not_a_coverage(coverage: Any) -> None:
    with pytest.raises(InvalidInput, match=r"coverage is a number between 0 and 1, such as 0\.9, found"):
        SOME.score_of(coverage)


def test_a_coverage_that_needs_more_rows() -> None:
    with pytest.raises(InvalidInput) as raised:
        SOME.score_of(0.995)
    assert str(raised.value) == (
        "a coverage of 0.995 is more than the 99 rows that training held out allow; the largest possible is 0.99"
    )
    with pytest.raises(InvalidInput, match=r"the largest possible is 0\.9444$"):
        Conformal(17, (17,), (1.0,)).score_of(0.95)
    # What is named is possible.
    assert Conformal(17, (17,), (1.0,)).score_of(0.9444) == 1


def test_a_coverage_that_no_score_was_kept_for() -> None:
    """More rows would not help."""
    with pytest.raises(InvalidInput) as raised:
        Conformal(5000, (4951, 4996), (1.0, 2.0)).score_of(0.9995)
    assert str(raised.value) == (
        "a coverage of 0.9995 is more than the model has scores for; the largest possible is 0.999"
    )


def test_intervals() -> None:
    values = np.array([1.0, -2.0, math.nan, 1e30], np.float32)
    found = SOME.interval(values, 0.5)
    assert found.dtype == np.float32
    assert found[:2].tolist() == [[-0.5, 2.5], [-3.5, -0.5]]
    assert np.isnan(found[2]).all()
    assert found[3, 0] <= values[3] <= found[3, 1]
    scaled = SOME.interval(values[:2], 0.9, np.array([1, 0.5], np.float32))
    assert scaled.tolist() == [[-2.25, 4.25], [-3.625, -0.375]]
    assert SOME.interval(values[:0], 0.5).shape == (0, 2)


@given(st.floats(-60000, 60000, width=16), st.floats(0, 60000), st.sampled_from(["float16", "float32", "float64"]))
def test_intervals_are_rounded_outwards(value: float, score: float, dtype: str) -> None:
    """What is as far from the value as the score is in the interval, in any type; and little more is."""
    ((lower, upper),) = Conformal(19, (19,), (score,)).interval(np.array([value], dtype), 0.9).astype(np.float64)
    assert Fraction(upper) >= Fraction(value + score) if math.isfinite(upper) else value + score > 65000
    assert Fraction(lower) <= Fraction(value - score) if math.isfinite(lower) else value - score < -65000
    if math.isfinite(upper):
        assert upper - (value + score) <= 2 * abs(float(np.spacing(np.array(upper, dtype))))


def test_sets_of_labels() -> None:
    probabilities = np.array([[0.1, 0.2, 0.7], [0.4, 0.3, 0.3], [0.05, 0.05, 0.9], [math.nan] * 3])
    conformal = Conformal(99, (50, 90), (0.45, 0.75))
    places, counts = conformal.label_sets(probabilities, probabilities.argmax(1), 0.5)
    # No set is empty, though no label of the second row is probable enough.
    assert (places.tolist(), counts.tolist()) == ([2, 0, 2, 0, 1, 2], [1, 1, 1, 3])
    places, counts = conformal.label_sets(probabilities, probabilities.argmax(1), 0.9)
    assert (places.tolist(), counts.tolist()) == ([2, 0, 1, 2, 2, 0, 1, 2], [1, 3, 1, 3])
    # The predicted label comes first, whatever its probability is.
    places, counts = conformal.label_sets(probabilities[:2], np.array([0, 1]), 0.9)
    assert (places.tolist(), counts.tolist()) == ([0, 2, 1, 0, 2], [2, 3])


@given(st.integers(2, 6), st.integers(0, 8), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_sets_by_their_definition(classes: int, rows: int, score: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), rows).astype(np.float32)
    predicted = random.integers(0, classes, rows)
    places, counts = Conformal(19, (19,), (score,)).label_sets(probabilities, predicted, 0.9)
    found = iter(places.tolist())
    for row in range(rows):
        labels = [next(found) for _ in range(counts[row])]
        others = [
            one for one in range(classes) if 1 - float(probabilities[row, one]) <= score and one != predicted[row]
        ]
        others.sort(key=lambda one: -probabilities[row, one])
        assert labels == [predicted[row], *others]
    assert next(found, None) is None


DOCUMENT = replace(tables.MASS, conformal=SOME).to_dict()["conformal"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": None}, "the ranks and scores of its intervals are not lists of numbers"),
        ({"rows": True}, "the ranks and scores of its intervals are not lists of numbers"),
        ({"ranks": 5}, "the ranks and scores of its intervals are not lists of numbers"),
        ({"ranks": "abc"}, "the ranks and scores of its intervals are not lists of numbers"),
        ({"ranks": [50.0, 90, 99]}, "the ranks and scores of its intervals are not lists of numbers"),
        ({"scores": [1, None, 3]}, "the ranks and scores of its intervals are not lists of numbers"),
        ({"scores": [False, 1, 3]}, "the ranks and scores of its intervals are not lists of numbers"),
        ({"ranks": [], "scores": []}, "the ranks of its intervals are not among 99 rows, each with a score"),
        ({"ranks": [50, 90]}, "the ranks of its intervals are not among 99 rows, each with a score"),
        ({"ranks": [50, 50, 99]}, "the ranks of its intervals are not among 99 rows, each with a score"),
        ({"ranks": [90, 50, 99]}, "the ranks of its intervals are not among 99 rows, each with a score"),
        ({"ranks": [0, 50, 99]}, "the ranks of its intervals are not among 99 rows, each with a score"),
        ({"ranks": [50, 90, 100]}, "the ranks of its intervals are not among 99 rows, each with a score"),
        ({"scores": [-0.5, 1, 3]}, "the scores of its intervals do not ascend from 0"),
        ({"scores": [1.5, 1, 3]}, "the scores of its intervals do not ascend from 0"),
        ({"scores": [1.5, 2, math.nan]}, "the scores of its intervals do not ascend from 0"),
        ({"scores": [1.5, 2, math.inf]}, "the scores of its intervals do not ascend from 0"),
        ({"scores": [1.5, 2, 10**400]}, "int too large to convert to float"),
        ({"scale": 5}, "the scale of its intervals is not the name of an output of a regression"),
    ],
)
def test_damaged(changes: dict[str, Any], reason: str) -> None:
    document = {**tables.MASS.to_dict(), "conformal": {**DOCUMENT, **changes}}
    for read in (Signature.from_dict, lambda plain: Signature.from_json(json.dumps(plain))):
        with pytest.raises(InvalidModel) as raised:
            read(document)
        assert str(raised.value) == f"the signature is damaged: {reason}"


@pytest.mark.parametrize("key", ["rows", "ranks", "scores"])
def test_without_a_part(key: str) -> None:
    part = {one: value for one, value in DOCUMENT.items() if one != key}
    with pytest.raises(InvalidModel, match=f"the signature is damaged: it has no '{key}'"):
        Signature.from_dict({**tables.MASS.to_dict(), "conformal": part})
    whole: tuple[Any, ...] = ([], 5, "rows")
    for damaged in whole:
        with pytest.raises(InvalidModel, match="the signature is damaged"):
            Signature.from_dict({**tables.MASS.to_dict(), "conformal": damaged})


def test_a_scale_is_for_values() -> None:
    labelled = replace(tables.PENGUINS, conformal=replace(SOME, scale="scale")).to_dict()
    with pytest.raises(InvalidModel, match="not the name of an output of a regression"):
        Signature.from_dict(labelled)


def test_models_without_it_stay_as_they_are() -> None:
    for signature in (tables.MASS, tables.PENGUINS, tables.ISLANDS):
        assert "conformal" not in signature.to_dict()
        assert Signature.from_dict({**signature.to_dict(), "conformal": None}) == signature
