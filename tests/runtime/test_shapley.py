"""Shapley values of games, against their definition."""

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_runtime import shapley

Numbers = npt.NDArray[np.float64]


class Game:
    """A game with the number of each coalition in a table, at the place that its players are the bits of."""

    def __init__(self, table: Numbers) -> None:
        self.table, self.players, self.asked = table, len(table).bit_length() - 1, 0
        self.ends = float(table[0]), float(table[-1]), self.players

    def __call__(self, coalitions: npt.NDArray[np.bool_]) -> Numbers:
        self.asked += len(coalitions)
        return self.table[coalitions @ (1 << np.arange(self.players))]

    def by_orders(self) -> Numbers:
        """What each player adds, on average over all orders: the definition."""
        added = np.zeros(self.players)
        for order in itertools.permutations(range(self.players)):
            before = 0
            for player in order:
                added[player] += self.table[before | 1 << player] - self.table[before]
                before |= 1 << player
        return added / math.factorial(self.players)


def random_game(players: int, seed: int = 0) -> Game:
    return Game(np.random.default_rng(seed).normal(size=2**players))


tables = st.integers(1, 5).flatmap(lambda players: arrays.arrays(np.float64, 2**players, elements=st.floats(-1e3, 1e3)))


@given(tables)
def test_exact_values_are_those_of_the_definition(table: Numbers) -> None:
    game = Game(table)
    values = shapley.exact(game, *game.ends)
    np.testing.assert_allclose(values, game.by_orders(), atol=1e-9)
    assert values.sum() == pytest.approx(table[-1] - table[0], abs=1e-9)
    # The ends are known already.
    assert game.asked == max(len(table) - 2, 0)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8), st.floats(-100, 100))
def test_players_that_add_the_same_everywhere_get_just_that(weights: list[float], of_none: float) -> None:
    def game(coalitions: npt.NDArray[np.bool_]) -> Numbers:
        return np.asarray(coalitions @ np.array(weights) + of_none)

    ends: Any = of_none, float(sum(weights) + of_none), len(weights)
    np.testing.assert_allclose(shapley.exact(game, *ends), weights, atol=1e-9)
    if len(weights) > 1:
        values, errors = shapley.sampled(game, *ends)
        np.testing.assert_allclose(values, weights, atol=1e-9)
        np.testing.assert_allclose(errors, 0, atol=1e-9)


@given(arrays.arrays(np.float64, 8, elements=st.floats(-100, 100)))
def test_a_player_that_never_adds_anything_has_zero_and_equal_players_have_the_same(table: Numbers) -> None:
    # Player 3 changes nothing; players 4 and 5 count only by how many of them there are.
    places = np.arange(2**6)
    both = (places >> 4 & 1) + (places >> 5 & 1)
    game = Game(table[places & 7] * (1 + both) ** 2)
    values = shapley.exact(game, *game.ends)
    scale = 1e-12 * np.abs(game.table).max()
    assert values[3] == pytest.approx(0, abs=scale)
    assert values[4] == pytest.approx(values[5], abs=scale)


@pytest.mark.parametrize("players", [2, 3, 9, shapley.MOST_EXACT])
@pytest.mark.parametrize("seed", range(3))
def test_samples_are_within_their_errors_and_add_up(players: int, seed: int) -> None:
    game = random_game(players, seed)
    exact = shapley.exact(game, *game.ends)
    values, errors = shapley.sampled(game, *game.ends)
    # Of two players both orders are drawn each time.
    assert (errors > 0).all() or players == 2
    assert (np.abs(values - exact) <= 5 * errors + 1e-12).all()
    assert values.sum() == pytest.approx(exact.sum(), abs=1e-11)


def test_standard_errors_say_how_far_off_estimates_are() -> None:
    game = random_game(8)
    exact = shapley.exact(game, *game.ends)
    samples = [shapley.sampled(game, *game.ends, seed=seed) for seed in range(100)]
    deviations = np.array([(values - exact) / errors for values, errors in samples])
    # As of a standard normal variable: 800 of them, not all independent.
    assert deviations.std() == pytest.approx(1, abs=0.15)
    assert deviations.mean() == pytest.approx(0, abs=0.1)


def test_samples_are_the_same_each_time_and_others_of_another_seed() -> None:
    game = random_game(15)
    first, again, other = (shapley.sampled(game, *game.ends, seed=seed) for seed in (0, 0, 1))
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert (first[0] != other[0]).all()


@pytest.mark.parametrize("players", [15, 100, 1500])
def test_how_many_coalitions_are_asked_for(players: int) -> None:
    asked: list[int] = []

    def game(coalitions: npt.NDArray[np.bool_]) -> Numbers:
        asked.append(len(coalitions))
        return np.asarray(coalitions.sum(axis=1) ** 2.0)

    values, errors = shapley.sampled(game, 0.0, players**2.0, players)
    # All players are alike.
    assert (np.abs(values - players) <= 6 * errors).all()
    pairs = sum(asked) / (2 * (players - 1))
    assert pairs == max(8, 2**14 // (2 * (players - 1)))
    assert max(asked) <= max(4096, 2 * (players - 1))
