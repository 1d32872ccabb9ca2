"""The roundings of float32 drawn at random: what float32 can hold stays, all else moves as little as it may."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.random_rounding import HALF_UNIT, LAST_PLACE, RandomRounding
from edge_export.verify.tensor_reference import MULTIPLE


def program_of(forward: Callable[..., Any], *shape: int) -> Program:
    return capture(layer(forward), rows(*shape or (5, 4)))


def exactly(program: Program, tensors: Tensors) -> np.ndarray[Any, Any]:
    """What the first output is in float64."""
    return Arithmetic(program).run(tensors)[program.outputs[0]]


def draws(program: Program, tensors: Tensors, count: int, units: float = 1.0) -> np.ndarray[Any, Any]:
    """What `count` draws give for the first output, shape (count, *its shape)."""
    exact = Arithmetic(program)
    found = [RandomRounding(exact, seed, units).run(tensors)[program.outputs[0]] for seed in range(count)]
    return np.stack(found)


EXACT: dict[str, Callable[..., Any]] = {
    "times two": lambda self, x: x * 2,
    "relu": lambda self, x: x.relu(),
    "a sign": lambda self, x: -x.abs() / 4,
    "moved": lambda self, x: x[:, ::2].flip(1).repeat(1, 2),
    "sorted": lambda self, x: torch.cat([x, x.sort(1)[0]], 1).amax(1),
    "chosen": lambda self, x: torch.where(x > 0.5, x, 1.0),
    "whole": lambda self, x: x.round() + 3,
    "an integer": lambda self, x: x.round().int(),
    "a bucket": lambda self, x: torch.bucketize(x.round(), torch.arange(-1.0, 3.0)),
    "the largest": lambda self, x: x.max(1)[0] + x.sort(1)[0][:, 0] * 0,
    "a boolean": lambda self, x: (x > 0).int() * 7 - 2,
    "padded": lambda self, x: nn.functional.pad(x, (1, 1)).gather(1, torch.zeros(5, 1, dtype=torch.int64)),
    "a place": lambda self, x: x.argmax(1),
    "counted": lambda self, x: (x.relu() != 0).sum(1) + x.relu().count_nonzero(),
    "places": lambda self, x: x.relu().nonzero(),
    "each once": lambda self, x: x.round().unique(),
    "a constant": lambda self, x: torch.full((2, 2), 0.5) + x.sum() * 0,
}


@pytest.mark.parametrize("name", mostly_slow(EXACT, ["times two", "sorted", "whole", "padded"]))
def test_what_float32_holds_exactly_stays(name: str) -> None:
    program = program_of(EXACT[name])
    expected = program.run(program.example)["output"]
    for found in draws(program, program.example, 4):
        np.testing.assert_array_equal(found, expected)


def test_integers_are_not_touched() -> None:
    ids = torch.arange(2**40, 2**40 + 12).reshape(3, 4)
    program = capture(layer(lambda self, ids: ids * 3 // 2 + ids.sum(1, keepdim=True)), ids)
    found = RandomRounding(Arithmetic(program), 0, 8).run(program.example)["output"]
    assert found.dtype == np.int64
    assert np.array_equal(found, ids * 3 // 2 + ids.sum(1, keepdim=True))


def test_which_of_two_equal_ones_is_chosen_is_open() -> None:
    program = program_of(lambda self, x: (x.topk(2)[1], x.max(1)[1], x.topk(2)[0]))
    x = {"x": np.array([[1, 3, 1, 3], [1, 2, 3, 4]], dtype=np.float32)}
    exact = Arithmetic(program)
    found = [list(RandomRounding(exact, seed).run(x).values()) for seed in range(16)]
    for output in (0, 1):
        assert len({tuple(values[output][0].reshape(-1)) for values in found}) > 1
        assert {tuple(values[output][1].reshape(-1)) for values in found} == {((3, 2), (3,))[output]}
    assert all((values[2] == [[3, 3], [4, 3]]).all() for values in found)


PLACES: dict[str, Callable[..., Any]] = {
    "argsort": lambda self, x: x.argsort(1),
    "sort": lambda self, x: x.sort(1, descending=True)[1],
    "topk": lambda self, x: x.topk(8, 1)[1],
    "argmax": lambda self, x: x.argmax(1, keepdim=True),
}


@pytest.mark.parametrize("name", PLACES)
def test_two_draws_show_every_place_that_is_open(name: str) -> None:
    """Of equal elements, each pair is in either order in one of an even draw and the next."""
    program = program_of(PLACES[name], 64, 8)
    for value in (0.0, 1e-38, 2.5):
        one, other = draws(program, {"x": np.full((64, 8), value, np.float32)}, 2)
        if name == "argmax":
            assert (one != other).all()
            continue
        np.testing.assert_array_equal(one, other[:, ::-1])


def test_a_fourier_transform_is_off_by_what_it_was_made_of() -> None:
    program = program_of(lambda self, x: torch.view_as_real(torch.fft.rfft(x)), 2, 64)
    impulse = np.zeros((2, 64), np.float32)
    impulse[:, 0] = 1000.0
    off = np.abs(draws(program, {"x": impulse}, 8) - exactly(program, {"x": impulse}))
    # Sines are zero here; an implementation that computes them multiplies what they should have been by 1000.
    assert 1e-5 < off[..., 1].max() < 1e-2


def test_a_function_that_takes_probabilities_takes_those_that_are_rounded() -> None:
    def forward(self: Any, x: Tensor) -> Any:
        return nn.functional.binary_cross_entropy(torch.sigmoid(x), torch.ones_like(x))

    program = program_of(forward)
    for x in (40.0, 17.0, 0.0, -90.0):
        found = draws(program, {"x": np.full((5, 4), x, np.float32)}, 8)
        assert np.isfinite(found).all()
    squared = program_of(lambda self, x: nn.functional.binary_cross_entropy(x.clamp(0, 1), torch.ones_like(x)))
    assert np.isfinite(draws(squared, {"x": np.ones((5, 4), np.float32)}, 8)).all()


INEXACT: dict[str, Callable[..., Any]] = {
    "a product": lambda self, x: x * 0.1,
    "a quotient": lambda self, x: x / 3,
    "a sum": lambda self, x: x + 1e-3,
    "exp": lambda self, x: x.exp(),
}


@pytest.mark.parametrize("name", mostly_slow(INEXACT, ["a product", "exp"]))
def test_one_operation_is_rounded_to_a_neighbour_in_float32(name: str) -> None:
    program = program_of(INEXACT[name])
    exact, found = exactly(program, program.example), draws(program, program.example, 64)
    # Both neighbours are drawn, no other value, and each as often as it is near.
    np.testing.assert_array_equal(found, found.astype(np.float32))
    step = np.spacing(np.abs(exact).astype(np.float32))
    assert (np.abs(found - exact) <= step).all()
    inexact = exact != exact.astype(np.float32)
    assert inexact.any()
    counts = np.array([len(np.unique(column)) for column in found.reshape(len(found), -1).T])
    assert (counts <= 2).all()
    assert (counts == 2).mean() > 0.5
    # The mean of 64 draws of a neighbour lies within 5 standard deviations, each at most half a step.
    assert (np.abs(found.mean(axis=0) - exact) <= 5 * step / 2 / 8).all()


def test_a_matrix_product_is_off_as_one_in_float32() -> None:
    program = capture(nn.Linear(256, 8), rows(32, 256))
    exact, found = exactly(program, program.example), draws(program, program.example, 32)
    own = np.abs(program.run(program.example)["output"] - exact)
    drawn = np.abs(found - exact)
    # Of the size of torch's own error, and on average nothing.
    assert own.max() / 3 < drawn.max() < own.max() * 6
    assert np.abs(found.mean(axis=0) - exact).max() < drawn.max() / 3


def test_a_sum_that_cancels_is_off_by_what_was_summed() -> None:
    program = program_of(lambda self, x: x.sum(1))
    x = {"x": np.array([[2**20 + 0.5, 1, -(2**20) - 0.5, -1]], dtype=np.float32)}
    # In float64 it is exactly 0, which looks exact; float32 may lose the last places of a million on the way.
    assert exactly(program, x).item() == 0
    off = np.abs(draws(program, x, 16)).max()
    assert 2**18 * LAST_PLACE < off < 2**24 * LAST_PLACE


def test_a_long_sum_is_off_by_more_than_a_short_one() -> None:
    """One after another, each partial sum is rounded: a random walk of as many steps."""
    program = program_of(lambda self, x: x.sum(1), 8, 4)
    for count, least, most in ((4, 1, 16), (4096, 1000, 20_000)):
        x = {"x": np.tile(np.array([1, -1], np.float32), (8, count // 2))}
        # Operands that are off by one unit each would come to 64 units at 4,096 of them.
        assert least * LAST_PLACE < np.abs(draws(program, x, 8)).max() < most * LAST_PLACE


def test_sums_one_after_another_carry_their_roundings() -> None:
    program = program_of(lambda self, x: x.cumsum(1), 4, 512)
    off = np.abs(draws(program, program.example, 8) - exactly(program, program.example)).mean(axis=(0, 1))
    assert off[-64:].mean() > 4 * off[:16].mean()


def test_a_bounded_function_is_off_as_its_bound_is() -> None:
    program = program_of(lambda self, x: torch.sigmoid(x - 30))
    off = np.abs(draws(program, program.example, 16) - exactly(program, program.example))
    # Far below 1, yet an implementation may be off by half a unit in the last place of 1.
    assert LAST_PLACE / 8 < off.max() <= LAST_PLACE


def test_a_gated_function_is_off_as_its_operand_is() -> None:
    program = program_of(lambda self, x: nn.functional.gelu(x))
    x = {"x": np.full((4, 4), -3.0, np.float32)}
    # It is -0.004, and comes from -3 times a number that is rounded near 1.
    assert 2 * HALF_UNIT < np.abs(draws(program, x, 16) - exactly(program, x)).max() < 4 * HALF_UNIT


class Cell(nn.Module):
    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, state: Tensor) -> Any:
        return self.cell(x, state if isinstance(self.cell, nn.GRUCell) else (state, state))


@pytest.mark.parametrize("cell", [nn.GRUCell(4, 4), nn.LSTMCell(4, 4)])
def test_a_gate_is_off_as_its_bound_is_times_the_state(cell: nn.Module) -> None:
    program = capture(Cell(cell), (rows(2, 4), rows(2, 4)))
    x = {"x": np.zeros((2, 4), np.float32), "state": np.full((2, 4), [[0.5], [1e4]], np.float32)}
    exact = Arithmetic(program).run(x)
    name = program.outputs[-1]  # of an LSTM the cell state, which the forget gate multiplies
    off = np.stack([np.abs(RandomRounding(Arithmetic(program), seed).run(x)[name] - exact[name]) for seed in range(8)])
    assert off[:, 0].max() < 20 * LAST_PLACE
    assert 1e4 * HALF_UNIT < off[:, 1].max() < 40 * 1e4 * LAST_PLACE


def test_units_make_the_roundings_larger() -> None:
    program = program_of(lambda self, x: self.linear(x).tanh())
    exact = exactly(program, program.example)
    one, eight = (np.abs(draws(program, program.example, 16, units) - exact).mean() for units in (1, 8))
    assert 4 < eight / one < 16


def test_equal_numbers_round_alike() -> None:
    program = program_of(lambda self, x: x.tanh() * 3)
    x = np.random.default_rng(0).normal(size=(50, 1)).repeat(20, axis=1).astype(np.float32)
    (found,) = draws(program, {"x": x[:, :4]}, 1)
    assert (found == found[:, :1]).all()
    assert len(np.unique(found - exactly(program, {"x": x[:, :4]}))) > 25


@pytest.mark.parametrize("added", [lambda self, x: x.mean(1), lambda self, x: x.sum(1), lambda self, x: x.cumsum(1)])
def test_a_sum_of_equal_numbers_is_as_far_off_as_one_after_another(added: Callable[..., Any]) -> None:
    program = program_of(added, 4, 900)
    x = np.random.default_rng(0).normal(size=(200, 1)).repeat(900, axis=1).astype(np.float32)
    exact = exactly(program, {"x": x})
    # numpy's cumulative sum in float32 is rounded after each step.
    sums = x.cumsum(1).astype(np.float64)
    one_by_one = {1: sums[:, -1] * (exact / x.sum(1, dtype=np.float64) if exact.ndim == 1 else 1), 2: sums}[exact.ndim]
    drawn = np.sqrt(np.mean((draws(program, {"x": x}, 8) - exact) ** 2))
    assert 0.2 < np.sqrt(np.mean((one_by_one - exact) ** 2)) / drawn < MULTIPLE / 1.5


def test_draws_are_of_their_seed() -> None:
    program = program_of(lambda self, x: self.linear(x).tanh())
    exact = Arithmetic(program)
    draw = RandomRounding(exact, 3)
    first = draw.run(program.example)["output"]
    assert np.array_equal(first, draw.run(program.example)["output"])
    assert np.array_equal(first, RandomRounding(exact, 3).run(program.example)["output"])
    assert not np.array_equal(first, RandomRounding(exact, 4).run(program.example)["output"])
    # Nothing is drawn from torch's own generator.
    before = torch.get_rng_state()
    draw.run(program.example)
    assert torch.equal(before, torch.get_rng_state())


def test_nan_and_infinity_stay() -> None:
    program = program_of(lambda self, x: self.linear(x) * 0.1)
    x = {"x": np.array([[np.nan] * 4, [np.inf] * 4, [1.0] * 4], dtype=np.float32)}
    expected = program.run(x)["output"]
    for found in draws(program, x, 2):
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))


def test_branches_and_loops_are_rounded_within() -> None:
    def forward(self: Any, x: Tensor) -> Any:
        return torch.cond(x.sum() > -1e9, lambda v: v * 0.1, lambda v: v + 1, (x,))

    program = program_of(forward)
    assert (draws(program, program.example, 8) != exactly(program, program.example)).any()
