"""Shapley values: how much of what a group reaches is due to each of its members.

A game gives a number for each coalition, that is for each subset of the players. The Shapley value of a player is what
it adds to the coalition of those before it, on average over all orders of the players (Shapley, "A value for n-person
games", 1953). The values add up to the difference between the coalition of all and that of none; players that add the
same everywhere have the same value, and one that never adds anything has 0.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

# The numbers of coalitions, one or more, each a row of whether a player is in it: bool, shape (coalitions, players).
Game: TypeAlias = Callable[[npt.NDArray[np.bool_]], npt.NDArray[np.float64]]
_Numbers: TypeAlias = npt.NDArray[np.float64]

# Up to so many players all 2**14 coalitions are asked for; of more, about as many are drawn.
MOST_EXACT = 14
_DRAWN = 2**MOST_EXACT
# Fewer pairs of orders would say nothing of the standard error.
_FEWEST_PAIRS = 8
# How many coalitions of a sample are drawn and asked for at once, at least.
_BLOCK = 4096


def exact(game: Game, of_none: float, of_all: float, players: int) -> _Numbers:
    """The Shapley values of a game, from the numbers of all coalitions.

    Args:
        game: the numbers of the other coalitions.
        of_none: the number of the coalition without players.
        of_all: that of the coalition of all.
        players: how many there are, at least 1.

    Returns:
        The value of each player, shape (players,).
    """
    places = np.arange(2**players)
    coalitions = (places[:, None] >> np.arange(players)) & 1 == 1
    numbers = np.full(len(places), of_none)
    numbers[-1] = of_all
    if players > 1:
        numbers[1:-1] = game(coalitions[1:-1])
    # A coalition of so many comes right before a player in this fraction of all orders.
    weights = np.array([1 / (players * math.comb(players - 1, size)) for size in range(players)])
    values = np.empty(players)
    for player in range(players):
        without = places[~coalitions[:, player]]
        added = numbers[without | 1 << player] - numbers[without]
        values[player] = weights[coalitions[without].sum(axis=1)] @ added
    return values


def sampled(game: Game, of_none: float, of_all: float, players: int, seed: int = 0) -> tuple[_Numbers, _Numbers]:
    """Unbiased estimates of the Shapley values of a game, from orders of the players that are drawn at random.

    Each order is drawn with its reverse (Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value based
    on sampling", 2009; antithetic: Mitchell, Cooper, Frank and Holmes, "Sampling permutations for Shapley value
    estimation", 2022). The estimates add up to exactly what the values add up to.

    Args:
        game: as for `exact`.
        of_none: likewise.
        of_all: likewise.
        players: how many there are, at least 2.
        seed: the seed of the orders.

    Returns:
        The estimate for each player and its standard error, each of shape (players,).
    """
    random = np.random.default_rng(seed)
    pairs = max(_FEWEST_PAIRS, _DRAWN // (2 * (players - 1)))
    at_once = max(1, _BLOCK // (2 * (players - 1)))
    found = []
    for start in range(0, pairs, at_once):
        orders = random.permuted(np.tile(np.arange(players), (min(at_once, pairs - start), 1)), axis=1)
        # The place of each player in its order: the first k are those in the coalition of k.
        ranks = orders.argsort(axis=1)
        forth = ranks[:, None, :] < np.arange(1, players)[:, None]
        # The first k of the reverse are all but the first `players - k` of the order.
        numbers = game(np.concatenate([forth, ~forth[:, ::-1]]).reshape(-1, players)).reshape(-1, players - 1)
        steps = np.diff(numbers, axis=1, prepend=of_none, append=of_all)
        one, other = np.split(steps, 2)
        found.append((np.take_along_axis(one, ranks, 1) + np.take_along_axis(other[:, ::-1], ranks, 1)) / 2)
    of_pairs = np.concatenate(found)
    return of_pairs.mean(axis=0), of_pairs.std(axis=0, ddof=1) / math.sqrt(pairs)
