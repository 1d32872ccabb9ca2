"""Draws of inputs that look like those that a program will meet."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from layers import layer, rows

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.verify.sampler import FEW_ROWS, Sampler


def assert_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert list(one) == list(other)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])


def test_ordinary_rows_have_missing_values(table: Program) -> None:
    drawn = Sampler(table).draw(8000)
    np.testing.assert_allclose(np.isnan(drawn["x"]).mean(axis=0), [0.1, 0, 0, 0, 0.3], atol=0.02)
    np.testing.assert_allclose((drawn["text"] == 1).mean(axis=0), [0.05, 0, 0], atol=0.02)
    complete = Sampler(table).draw_complete(8000)
    assert not np.isnan(complete["x"]).any()
    assert (complete["text"] != 1).all()


def test_the_same_seed_draws_the_same(table: Program) -> None:
    assert_equal(Sampler(table).draw(50), Sampler(table).draw(50))
    other = Sampler(table, seed=1).draw(50)
    assert not np.array_equal(Sampler(table).draw(50)["text"], other["text"])
    sampler = Sampler(table)
    assert not np.array_equal(sampler.draw(50)["text"], sampler.draw(50)["text"])


def test_sizes(table: Program) -> None:
    assert Sampler(table).draw()["x"].shape == (3, 5)
    program = capture(layer(lambda self, x: x * 2), rows(4, 5, 3), {"x": ("batch", "length")})
    sampler = Sampler(program)
    assert sampler.sizes == {"batch": 4, "length": 5}
    assert sampler.draw()["x"].shape == (4, 5, 3)
    assert sampler.draw(2, sizes={"length": 9})["x"].shape == (2, 9, 3)


def test_data_are_drawn_like(table: Program) -> None:
    data = {"x": np.full((20, 5), 100.0, np.float32), "text": np.full((20, 3), 2)}
    sampler = Sampler(table, data)
    assert sampler.data is data
    np.testing.assert_allclose(sampler.draw_complete(2000)["x"][:, 0].mean(), 100, atol=0.2)


def test_rows_nearby_differ_in_their_numbers_alone(table: Program) -> None:
    sampler = Sampler(table)
    ordinary = sampler.draw(4000)
    near = sampler.near(ordinary, 0.1)
    np.testing.assert_array_equal(near["text"], ordinary["text"])
    np.testing.assert_array_equal(np.isnan(near["x"]), np.isnan(ordinary["x"]))
    moved = near["x"] - ordinary["x"]
    np.testing.assert_allclose(np.nanstd(moved, axis=0), 0.1 * np.array([1, 0.5, 9, 0.5, 3]), rtol=0.05)
    assert near["x"].dtype == np.float32


def test_numbers_at_the_end_of_float32_stay_finite(table: Program) -> None:
    sampler = Sampler(table)
    end = {**sampler.draw_complete(9), "x": np.full((9, 5), np.finfo(np.float32).max)}
    assert np.isfinite(sampler.near(end, 1e38)["x"]).all()


def test_the_mean_row(table: Program) -> None:
    row = Sampler(table).mean_row(Sampler(table).distributions["x"])
    np.testing.assert_allclose(row, [[4.5, 0.5, 2005, 0.3, 0]], rtol=1e-6)
    assert row.dtype == np.float32
    fixed = capture(layer(lambda self, x: x * 2), rows(4, 3), {"x": ()})
    assert Sampler(fixed).mean_row(Sampler(fixed).distributions["x"]).shape == (4, 3)


@pytest.mark.parametrize(
    ("cost", "most", "is_costly"),
    [(2.0, 2**21, False), (2.0**18, 16, False), (2.0**19, 8, True), (2.0**30, 3, True)],
)
def test_costly_programs_have_few_rows(
    table: Program, monkeypatch: pytest.MonkeyPatch, cost: float, most: int, is_costly: bool
) -> None:
    monkeypatch.setitem(vars(table), "cost", cost)
    sampler = Sampler(table)
    assert (sampler.most_rows, sampler.is_costly) == (most, is_costly)
    assert FEW_ROWS == 16
