"""Draws of inputs that look like those that a program will meet."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from torch import Tensor

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


def test_another_sampler_of_the_same_inputs(table: Program) -> None:
    sampler = Sampler(table)
    sampler.draw(3)
    other = sampler.again(seed=1)
    assert other.distributions is sampler.distributions
    assert_equal(other.draw(50), Sampler(table, seed=1).draw(50))
    assert_equal(sampler.again(seed=0).draw(50), Sampler(table).draw(50))


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
    row = Sampler(table).mean_row(Sampler(table).distributions["x"], (1, 5))
    np.testing.assert_allclose(row, [[4.5, 0.5, 2005, 0.3, 0]], rtol=1e-6)
    assert row.dtype == np.float32
    assert Sampler(table).mean_row(Sampler(table).distributions["x"], (4, 5)).shape == (4, 5)


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


# --------------------------------------------------------------------------------------- integers that belong together


@pytest.fixture(scope="module")
def lengths() -> Program:
    """Integers of which the second is at most the first, a mask of as many places as the first says, and numbers."""

    def forward(self: Any, x: Tensor, n: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = x * n[:, :1] + (x * mask).sum(1, keepdim=True) - n[:, 1:]
        return found

    example = (rows(4, 6), torch.tensor([[6, 2]] * 4), torch.ones(4, 6, dtype=torch.bool))
    return capture(layer(forward), example, {"x": ("batch", "length"), "mask": ("batch", "length")})


def some_lengths(count: int, length: int = 6) -> dict[str, Any]:
    random = np.random.default_rng(3)
    first = random.integers(1, length + 1, count)
    return {
        "x": random.normal(3, 1, (count, length)).astype(np.float32),
        "n": np.stack([first, random.integers(0, first + 1)], axis=1),
        "mask": np.arange(length) < first[:, None],
    }


def test_integers_and_booleans_are_rows_of_the_data(lengths: Program) -> None:
    data = some_lengths(30)
    sampler = Sampler(lengths, data)
    known = {(tuple(n), tuple(mask)) for n, mask in zip(data["n"].tolist(), data["mask"].tolist(), strict=True)}
    drawn = sampler.draw(200)
    found = [(tuple(n), tuple(mask)) for n, mask in zip(drawn["n"].tolist(), drawn["mask"].tolist(), strict=True)]
    assert set(found) <= known
    assert len(set(found)) > 10
    assert found != sorted(found)
    # Numbers are drawn anew.
    assert not np.isin(drawn["x"], data["x"]).any()
    assert abs(drawn["x"].mean() - 3) < 0.2


def test_data_of_another_length_begin_anew(lengths: Program) -> None:
    data = some_lengths(30)
    longer = Sampler(lengths, data).draw(5, sizes={"length": 9})
    assert (longer["mask"].shape, longer["x"].shape, longer["n"].shape) == ((5, 9), (5, 9), (5, 2))
    np.testing.assert_array_equal(longer["mask"][:, 6:], longer["mask"][:, :3])


def test_a_sampler_of_the_users(lengths: Program) -> None:
    calls: list[int] = []

    def draw(random: np.random.Generator, rows: int) -> dict[str, Any]:
        calls.append(rows)
        found = some_lengths(rows, int(random.integers(1, 9)))
        return {"n": found["n"], "mask": found["mask"]}

    sampler = Sampler(lengths, some_lengths(30), own=draw)
    drawn = [sampler.draw(7) for _ in range(20)]
    assert calls == [7] * 20
    assert all(call["x"].shape == call["mask"].shape for call in drawn)
    assert len({call["x"].shape for call in drawn}) > 3
    for call in drawn:
        assert (call["n"][:, 1] <= call["n"][:, 0]).all()
        np.testing.assert_array_equal(call["mask"].sum(1), call["n"][:, 0])
    assert (sampler.lengths, Sampler(lengths).lengths) == ({}, {"length": 6})
    assert sampler.draw()["x"].shape[0] == 4


def test_numbers_that_stand_for_codes_stay_as_they_are() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        found: Tensor = x[:, 1:] + self.layer.weight.index_select(0, x[:, 0].long())
        return found

    program = capture(layer(forward), rows(4, 4).abs())
    sampler = Sampler(program, stated={"x": (np.array([[0, 0, -9, 2]]), np.array([[2, 1, 9, 3]]))})
    x = sampler.draw(3000)["x"]
    assert set(x[:, 0].tolist()) == {0.0, 1.0, 2.0}
    near = sampler.near({"x": x}, 5.0)["x"]
    np.testing.assert_array_equal(near[:, 0], x[:, 0])
    assert (near[:, 1:] != x[:, 1:]).mean() > 0.9
    assert (near[:, 3].min(), near[:, 3].max()) == (2, 3)
    assert sampler.mean_row(sampler.distributions["x"], (1, 4))[0, [0, 1, 3]].tolist() == [1.0, 0.5, 2.5]
