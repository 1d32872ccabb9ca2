"""The small pictures beside the names of columns."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_train import Column, Dataset, find_target, split
from edge_train.report.histograms import histograms, value_bars


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), max_size=60))
def test_every_value_is_in_a_bar(values: list[float]) -> None:
    assert sum(value_bars(np.array(values, np.float32))) == len(values)


def test_rare_values_far_away_leave_more_than_one_bar() -> None:
    values = np.concatenate([np.linspace(0, 1, 999), [1e9]])
    counts = value_bars(values)
    assert len(counts) == 24
    assert min(counts) > 30


@pytest.mark.parametrize(("values", "expected"), [([], ()), ([3, 3], (2,)), ([0] * 300 + [7], (300, *[0] * 22, 1))])
def test_few_different_values(values: list[float], expected: tuple[int, ...]) -> None:
    assert value_bars(np.array(values, np.float32)) == expected


def test_columns_of_every_kind() -> None:
    import pyarrow as pa

    rows = 100
    columns = [
        Column("number", "numeric", np.array([np.nan, *range(rows - 1)], np.float32)),
        Column("flag", "boolean", np.array([np.nan, 0, 1, 1] * 25, np.float32)),
        Column("city", "categorical", np.array([-1, 0, 1, 1] * 25, np.int32), ("a", "b")),
        Column("day", "date", np.array([np.iinfo(np.int64).min, *range(rows - 1)], np.int64)),
    ]
    data = split(columns, find_target(pa.table({"y": [0.5, 1.5] * 50}), "y", "t.csv"), 0, test=False)
    found = histograms(data)
    assert sum(found["number"]) == rows - 1
    assert found["flag"] == (25, 50)
    # The most frequent first.
    assert found["city"] == (50, 25)
    assert sum(found["day"]) == rows - 1


def test_many_categories(made_table: Callable[..., Dataset]) -> None:
    counts = histograms(made_table())["city"]
    assert len(counts) == 12
    assert list(counts) == sorted(counts, reverse=True)
