"""The rows of a run and the members that learn from them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge_train import Dataset, Settings
from edge_train.loop.division import divided
from edge_train.loop.folds import rows_learned

Table = Callable[..., Dataset]
SETTINGS = Settings((8,), members=4, validation=0.25, seed=3)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_members_leave_out_training_rows(made_table: Table, task: str) -> None:
    data = made_table(task=task)
    division = divided(data, SETTINGS, 4, all_rows=False)
    assert division.rows is data.train
    assert (division.measured, division.training) == (4, len(data.train))
    classes = len(data.signature.labels)
    assert np.array_equal(division.learned, rows_learned(data.train.target, classes, 4, 0.25, 3))
    assert division.groups == [(slice(0, 4), len(data.train))]
    assert [places.tolist() for places in division.held_out] == [
        np.flatnonzero(~one).tolist() for one in division.learned.T
    ]
    assert len(division.held_out) == 4


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_as_many_members_again_learn_from_the_test_rows_too(made_table: Table, task: str) -> None:
    data = made_table(task=task)
    assert data.test is not None
    division = divided(data, SETTINGS, 4, all_rows=True)
    count = len(data.train)
    assert len(division.rows) == count + len(data.test)
    for name, values in division.rows.inputs.items():
        assert np.array_equal(values[:count], data.train.inputs[name], equal_nan=values.dtype.kind == "f")
        assert np.array_equal(values[count:], data.test.inputs[name], equal_nan=values.dtype.kind == "f")
    assert np.array_equal(division.rows.target, np.concatenate([data.train.target, data.test.target]))
    assert division.learned.shape == (count + len(data.test), 8)
    # Those that are measured are as without the test rows.
    assert np.array_equal(division.learned[:count, :4], divided(data, SETTINGS, 4, all_rows=False).learned)
    assert not division.learned[count:, :4].any()
    # The others hold out some of all rows.
    assert ((~division.learned[:, 4:]).sum(1) <= 1).all()
    assert (~division.learned[count:, 4:]).any()
    assert (division.measured, division.training) == (4, count)
    assert division.groups == [(slice(0, 4), count), (slice(4, 8), count + len(data.test))]
    for place, places in enumerate(division.held_out):
        assert places.max() < count
        assert places.tolist() == np.flatnonzero(~division.learned[:count, place]).tolist()


@pytest.mark.parametrize("all_rows", [False, True])
def test_without_a_fraction_none_is_held_out(made_table: Table, all_rows: bool) -> None:
    data = made_table(100)
    division = divided(data, replace(SETTINGS, validation=0.0), 1, all_rows)
    assert division.held_out == []
    assert division.learned[: len(data.train)].all()
    assert division.learned[:, -1].all()


def test_without_test_rows_all_rows_are_the_training_rows(made_table: Table) -> None:
    data = replace(made_table(100), test=None)
    division = divided(data, SETTINGS, 4, all_rows=True)
    assert division.rows is data.train
    assert len(division.groups) == 1
