"""Ranks and counts over tables."""

import pytest
from benchmarks.quality.cells import Mean, Means
from benchmarks.quality.standings import best, mean_ranks, place, within_one_error, worst
from hypothesis import given
from hypothesis import strategies as st


def means(**tables: dict[str, float]) -> Means:
    return {table: {who: Mean(value, 0.1) for who, value in values.items()} for table, values in tables.items()}


def test_ties_have_the_average_of_their_ranks() -> None:
    found = means(one={"a": 1, "b": 2, "c": 2}, two={"a": 3, "b": 2, "c": 1})
    assert mean_ranks(found, upwards=False) == {"a": 2, "b": 2.25, "c": 1.75}
    assert mean_ranks(found, upwards=True) == {"a": 2, "b": 1.75, "c": 2.25}


def test_who_is_missing_on_one_table_is_not_ranked() -> None:
    found = means(one={"a": 1, "b": 2, "c": 3}, two={"a": 1, "c": 0})
    assert mean_ranks(found, upwards=False) == {"a": 1.5, "c": 1.5}
    assert mean_ranks({}, upwards=False) == {}


@given(st.lists(st.lists(st.integers(0, 4).map(float), min_size=4, max_size=4), min_size=1, max_size=5), st.booleans())
def test_ranks_share_out_the_places(tables: list[list[float]], upwards: bool) -> None:
    """Who is behind another on none of the tables is not behind it in the end."""
    named = {f"t{number}": dict(zip("abcd", values, strict=True)) for number, values in enumerate(tables)}
    ranks = mean_ranks(means(**named), upwards)
    assert sum(ranks.values()) == pytest.approx(1 + 2 + 3 + 4)
    sign = 1 if upwards else -1
    for one in "abcd":
        for other in "abcd":
            if all(sign * values[one] >= sign * values[other] for values in named.values()):
                assert ranks[one] <= ranks[other] + 1e-9


def test_close_best_and_worst() -> None:
    found = means(
        close={"a": 1.05, "b": 1, "c": 2},
        far={"a": 1.2, "b": 1, "c": 1.1},
        tied={"a": 1, "b": 1, "c": 1},
        alone={"a": 1},
    )
    assert within_one_error(found, False, "a") == ["close", "tied", "alone"]
    assert within_one_error(found, True, "a") == ["far", "tied", "alone"]
    assert best(found, False, "a") == ["tied", "alone"]
    assert best(found, True, "a") == ["far", "tied", "alone"]
    assert worst(found, False, "a") == ["far"]
    assert worst(found, True, "b") == ["close", "far"]


def test_a_place_is_shared() -> None:
    ranks = {"a": 2.0, "b": 1.5, "c": 2.0, "d": 4.0}
    assert [place(ranks, who) for who in ranks] == [2, 1, 2, 4]
