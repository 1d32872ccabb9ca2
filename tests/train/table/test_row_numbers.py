"""Integers that only tell rows apart, and those that must not be taken for such."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_train import Column, DroppedColumn, find_columns
from edge_train.table.row_numbers import row_numbers

ROWS = 200
NUMBERED = np.arange(1.0, ROWS + 1)
SHUFFLED = np.random.default_rng(0).permutation(NUMBERED)


def found(name: str, numbers: Any) -> str:
    """What a column is taken for."""
    numbering = row_numbers(name, pa.chunked_array([pa.array(numbers, pa.float64())]))
    return "measure" if numbering is None else "numbers" if numbering.is_sure else "perhaps"


@pytest.mark.parametrize("numbers", [NUMBERED, NUMBERED[::-1], NUMBERED - 1, NUMBERED + 38_000, NUMBERED * 1.5 // 1])
def test_what_counts_the_rows_in_their_order_tells_them_apart(numbers: Any) -> None:
    assert found("case", numbers) == "numbers"


@pytest.mark.parametrize(
    "name",
    [
        *("id", "ID", "Id", "uid", "pid", "uuid", "patient_id", "Patient ID", "customerID", "PassengerId", "index"),
        *("Unnamed: 0", "rownames", "row.names", "Row", "rowid"),
    ],
)
def test_identifiers_are_known_by_their_names_in_any_order(name: str) -> None:
    assert found(name, SHUFFLED) == "numbers"
    assert found(name, SHUFFLED * 977) == "numbers"
    # As a foreign key, or of several rows about one thing, it says something.
    assert found(name, [*SHUFFLED[1:], SHUFFLED[1]]) == "measure"
    assert found(name, SHUFFLED + 0.5) == "measure"


@pytest.mark.parametrize("name", ["paid", "grid", "humid", "idea", "width", "price index", "rows sold", "liquid", "x"])
def test_other_names_are_no_identifiers(name: str) -> None:
    assert found(name, SHUFFLED * 977) == "measure"
    assert found(name, np.sort(SHUFFLED) ** 2) == "measure"


@pytest.mark.parametrize(
    "name",
    ["t", "time", "Year", "year_start", "SeasonEnd", "day_of_year", "monthsSinceY2K", "AGE", "Jahr", "année", "rank"],
)
def test_times_and_ranks_go_on_from_row_to_row_too(name: str) -> None:
    assert found(name, NUMBERED) == found(name, SHUFFLED) == "measure"


def test_what_may_be_ranks_is_left_to_the_user() -> None:
    assert found("wealth", SHUFFLED) == "perhaps"


@given(st.lists(st.integers(0, 400), min_size=100, max_size=300), st.sampled_from(["id", "case", "x"]))
def test_a_number_that_comes_twice_tells_no_rows_apart(numbers: list[int], name: str) -> None:
    if len(set(numbers)) < len(numbers):
        assert found(name, numbers) == "measure"


def test_few_and_infinite_numbers_tell_nothing() -> None:
    assert found("id", NUMBERED[:99]) == "measure"
    assert found("id", [*NUMBERED[:99], None]) == "measure"
    assert found("id", NUMBERED[:100]) == "numbers"
    assert found("id", [*NUMBERED, np.inf]) == "measure"


@pytest.mark.parametrize("missing", [None, np.nan])
def test_rows_without_a_value_are_not_looked_at_unless_they_are_many(missing: float | None) -> None:
    for count, expected in ((1, "numbers"), (ROWS - 1, "numbers"), (ROWS, "perhaps")):
        assert found("id", [*SHUFFLED, *[missing] * count]) == expected
        assert found("case", [*NUMBERED[:7], *[missing] * count, *NUMBERED[7:]]) == expected
    # Of other columns, those with missing values are measures as before.
    assert found("x", [*SHUFFLED * 977, missing]) == "measure"
    assert found("id", [*SHUFFLED, SHUFFLED[0], missing]) == "measure"


def column(cells: Any, name: str = "case", **options: Any) -> Column | DroppedColumn:
    (one,) = find_columns(pa.table({name: cells}), "t.csv", **options)
    return one


def test_dropped_with_the_option_that_keeps_it() -> None:
    for cells in (list(range(1, 1201)), list(map(str, range(1, 1201)))):
        dropped = column(cells)
        assert isinstance(dropped, DroppedColumn)
        assert dropped.reason == "another integer in every row, 1 to 1,200"
        assert dropped.warning == (
            "case is dropped: it has another integer in every row, 1 to 1,200, and so only tells rows apart; "
            "--numeric case keeps it"
        )
        kept = column(cells, numeric=["case"])
        assert isinstance(kept, Column)
        assert (kept.kind, kept.warning) == ("numeric", "")
    dropped = column([*range(1, 1200), None])
    assert isinstance(dropped, DroppedColumn)
    assert dropped.reason == "another integer in every row with a value, 1 to 1,199"
    assert "it has another integer in every row with a value, 1 to 1,199, and so" in dropped.warning
    # float32 cannot tell them apart, which would be refused of a measure.
    assert isinstance(column([1_700_000_000 + row for row in range(500)]), DroppedColumn)


def test_kept_with_the_option_that_drops_it() -> None:
    kept = column([*range(1, 1200, 2), *range(2, 1201, 2)], "Crime parents")
    assert isinstance(kept, Column)
    assert kept.kind == "numeric"
    assert kept.warning == (
        "Crime parents is taken as numbers although it has another integer in every row, 1 to 1,200; if they only tell "
        "rows apart, --drop 'Crime parents'"
    )
