import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from zoo import ZOO

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.random_rounding import RandomRounding

ULP = 2.0**-23


class Of(nn.Module):
    """A module that computes a function of its input and has weights."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function, self.linear = function, nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def program_of(function: Callable[..., Any], *shape: int) -> Program:
    return capture(Of(function), torch.randn(*shape or (5, 4), generator=torch.Generator().manual_seed(0)))


def draws(program: Program, tensors: Tensors, count: int, units: float = 1.0) -> np.ndarray[Any, Any]:
    """What `count` draws give for the first output, shape (count, *its shape)."""
    exact = Arithmetic(program)
    found = [RandomRounding(exact, seed, units).run(tensors)[program.outputs[0]].numpy() for seed in range(count)]
    return np.stack(found)


@pytest.mark.parametrize("name", ZOO)
def test_float64_is_the_module_in_float64(name: str) -> None:
    exhibit = ZOO[name]
    torch.manual_seed(0)
    program = capture(exhibit.module(), exhibit.example(), exhibit.options.get("dynamic"))
    wide = copy.deepcopy(program.module).double()
    args, kwargs = program.arguments(program.example)
    args, kwargs = pytree.tree_map_only(Tensor, lambda t: t.double() if t.is_floating_point() else t, (args, kwargs))
    with torch.no_grad():
        expected = [leaf for leaf in pytree.tree_leaves(wide(*args, **kwargs)) if isinstance(leaf, Tensor)]
    found = Arithmetic(program).run(program.example)
    assert list(found) == list(program.outputs)
    for one, other in zip(found.values(), expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def in_place(self: Of, x: Tensor) -> Tensor:
    y = self.linear(x).clone()
    y[:, 0] *= 3
    y[y < 0] = 0
    return y.tanh_()


def without_gradients(self: Of, x: Tensor) -> Tensor:
    with torch.no_grad():
        y = self.linear(x)
    return y + x


def five_times(self: Of, x: Tensor) -> Tensor:
    from torch._higher_order_ops.while_loop import while_loop

    return while_loop(lambda i, v: i < 5, lambda i, v: (i + 1, v * 1.1 + 0.3), (torch.tensor(0), x))[1]


def cells(self: Of, x: Tensor) -> Tensor:
    """Starts from zeros, which have no type of their own, as recurrent cells and sums over graphs do."""
    state = torch.zeros(x.shape[0], 4)
    for _ in range(3):
        state = torch.tanh(self.linear(state) + x)
    return state.index_add(0, torch.tensor([0, 2]), torch.ones(2, 4))


MANY: dict[str, Callable[..., Any]] = {
    "in place": in_place,
    "without gradients": without_gradients,
    "a loop": five_times,
    "numbers of its own": cells,
    "integers on the way": lambda self, x: self.linear((x * 10).int() / 3) + torch.arange(4) * 0.1,
    "views": lambda self, x: self.linear(x).view(-1, 2, 2).transpose(1, 2).reshape(-1, 4)[:, 1::2],
    "back and forth": lambda self, x: self.linear(x.double().cumsum(1).float().to(torch.float32)),
    "its own input": lambda self, x: (x, self.linear.weight, self.linear(x)),
    "either branch": lambda self, x: torch.cond(x.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (x,)),
    "complex numbers": lambda self, x: torch.fft.rfft(self.linear(x)).abs(),
}


@pytest.mark.parametrize("name", MANY)
def test_many_ways_to_compute(name: str) -> None:
    program = program_of(MANY[name])
    expected = program.run(program.example)
    exact = Arithmetic(program)
    for found, atol in ((exact.run(program.example), 2e-6), (RandomRounding(exact, 0).run(program.example), 4e-6)):
        assert list(found) == list(expected)
        for output, values in expected.items():
            assert found[output].dtype == torch.float64
            np.testing.assert_allclose(found[output].numpy(), values, rtol=1e-5, atol=atol)
    assert torch.get_default_dtype() == torch.float32


def test_either_branch() -> None:
    program = program_of(MANY["either branch"])
    for sign, function in ((1, np.sin), (-1, np.cos)):
        x = sign * np.abs(program.example["x"])
        np.testing.assert_array_equal(Arithmetic(program).run({"x": x})["output"], function(x.astype(np.float64)))


@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: x * 2,
        lambda self, x: x.relu(),
        lambda self, x: -x.abs() / 4,
        lambda self, x: x[:, ::2].flip(1).repeat(1, 2),
        lambda self, x: torch.cat([x, x.sort(1)[0]], 1).amax(1),
        lambda self, x: torch.where(x > 0.5, x, 1.0),
        lambda self, x: x.round() + 3,
        lambda self, x: x.round().int(),
        lambda self, x: torch.bucketize(x.round(), torch.arange(-1.0, 3.0)),
        lambda self, x: x.max(1)[0] + x.sort(1)[0][:, 0] * 0,
        lambda self, x: (x > 0).int() * 7 - 2,
        lambda self, x: torch.nn.functional.pad(x, (1, 1)).gather(1, torch.zeros(5, 1, dtype=torch.int64)),
        lambda self, x: x.argmax(1),
        lambda self, x: torch.full((2, 2), 0.5) + x.sum() * 0,
    ],
)
def test_what_float32_holds_exactly_stays(function: Callable[..., Any]) -> None:
    program = program_of(function)
    expected = program.run(program.example)["output"]
    for found in draws(program, program.example, 4):
        np.testing.assert_array_equal(found, expected)


def test_integers_are_not_touched() -> None:
    class Integers(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return ids * 3 // 2 + ids.sum(1, keepdim=True)

    ids = torch.arange(2**40, 2**40 + 12).reshape(3, 4)
    program = capture(Integers(), ids)
    found = RandomRounding(Arithmetic(program), 0, 8).run(program.example)["output"]
    assert found.dtype == torch.int64
    assert torch.equal(found, ids * 3 // 2 + ids.sum(1, keepdim=True))


def test_which_of_two_equal_ones_is_chosen_is_open() -> None:
    program = program_of(lambda self, x: (x.topk(2)[1], x.max(1)[1], x.topk(2)[0]))
    rows = {"x": np.array([[1, 3, 1, 3], [1, 2, 3, 4]], dtype=np.float32)}
    exact = Arithmetic(program)
    found = [[values.numpy() for values in RandomRounding(exact, seed).run(rows).values()] for seed in range(16)]
    for output in (0, 1):
        assert len({tuple(values[output][0].reshape(-1)) for values in found}) > 1
        assert {tuple(values[output][1].reshape(-1)) for values in found} == {((3, 2), (3,))[output]}
    assert all((values[2] == [[3, 3], [4, 3]]).all() for values in found)


@pytest.mark.parametrize(
    "function", [lambda self, x: x * 0.1, lambda self, x: x / 3, lambda self, x: x + 1e-3, lambda self, x: x.exp()]
)
def test_one_operation_is_rounded_to_a_neighbour_in_float32(function: Callable[..., Any]) -> None:
    program = program_of(function)
    exact = Arithmetic(program).run(program.example)["output"].numpy()
    found = draws(program, program.example, 64)
    # Both neighbours are drawn, no other value, and each as often as it is near.
    np.testing.assert_array_equal(found, found.astype(np.float32))
    assert (np.abs(found - exact) <= np.spacing(np.abs(exact).astype(np.float32))).all()
    inexact = exact != exact.astype(np.float32)
    assert inexact.any()
    counts = np.array([len(np.unique(column)) for column in found.reshape(len(found), -1).T])
    assert (counts <= 2).all()
    assert (counts == 2).mean() > 0.5
    step = np.spacing(np.abs(exact).astype(np.float32))
    # The mean of 64 draws of a neighbour lies within 5 standard deviations, each at most half a step.
    assert (np.abs(found.mean(axis=0) - exact) <= 5 * step / 2 / 8).all()


def test_a_matrix_product_is_off_as_one_in_float32() -> None:
    program = capture(nn.Linear(256, 8), torch.randn(32, 256, generator=torch.Generator().manual_seed(0)))
    exact = Arithmetic(program).run(program.example)["output"].numpy()
    found = draws(program, program.example, 32)
    own = np.abs(program.run(program.example)["output"] - exact)
    drawn = np.abs(found - exact)
    # Of the size of torch's own error, and on average nothing.
    assert own.max() / 3 < drawn.max() < own.max() * 6
    assert np.abs(found.mean(axis=0) - exact).max() < drawn.max() / 3


def test_a_sum_that_cancels_is_off_by_what_was_summed() -> None:
    program = program_of(lambda self, x: x.sum(1))
    x = {"x": np.array([[2**20 + 0.5, 1, -(2**20) - 0.5, -1]], dtype=np.float32)}
    # In float64 it is exactly 0, which looks exact; float32 may lose the last places of a million on the way.
    assert Arithmetic(program).run(x)["output"].item() == 0
    off = np.abs(draws(program, x, 16)).max()
    assert 2**18 * ULP < off < 2**24 * ULP


def test_a_bounded_function_is_off_as_its_bound_is() -> None:
    program = program_of(lambda self, x: torch.sigmoid(x - 30))
    off = np.abs(draws(program, program.example, 16) - Arithmetic(program).run(program.example)["output"].numpy())
    # Far below 1, yet an implementation may be off by half a unit in the last place of 1.
    assert ULP / 8 < off.max() <= ULP


def test_units_make_the_roundings_larger() -> None:
    program = program_of(lambda self, x: self.linear(x).tanh())
    exact = Arithmetic(program).run(program.example)["output"].numpy()
    one, eight = (np.abs(draws(program, program.example, 16, units) - exact).mean() for units in (1, 8))
    assert 4 < eight / one < 16


def test_draws_are_of_their_seed() -> None:
    program = program_of(lambda self, x: self.linear(x).tanh())
    exact = Arithmetic(program)
    draw = RandomRounding(exact, 3)
    first = draw.run(program.example)["output"]
    assert torch.equal(first, draw.run(program.example)["output"])
    assert torch.equal(first, RandomRounding(exact, 3).run(program.example)["output"])
    assert not torch.equal(first, RandomRounding(exact, 4).run(program.example)["output"])
    # Nothing is drawn from torch's own generator.
    before = torch.get_rng_state()
    draw.run(program.example)
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_overflows_as_in_float32() -> None:
    program = program_of(lambda self, x: x * x.amax() / 1e30)
    x = {"x": np.full((1, 4), 1e30, dtype=np.float32)}
    assert np.isinf(program.run(x)["output"]).all()
    assert Arithmetic(program).run(x)["output"].numpy() == pytest.approx(1e30, rel=1e-6)
    assert draws(program, x, 2) == pytest.approx(1e30, rel=1e-5)


def test_nan_and_infinity_stay() -> None:
    program = program_of(lambda self, x: self.linear(x) * 0.1)
    x = {"x": np.array([[np.nan] * 4, [np.inf] * 4, [1.0] * 4], dtype=np.float32)}
    expected = program.run(x)["output"]
    for found in draws(program, x, 2):
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))


def test_what_cannot_run_in_float64() -> None:
    program = program_of(lambda self, x: (x.view(torch.int32) & 0x7FFFFFFF).view(torch.float32))
    with pytest.raises(ExportError) as raised:
        Arithmetic(program).run(program.example)
    assert "the module cannot be proven, since it cannot run in float64: " in str(raised.value)
    assert "it reads the bits of its numbers" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert torch.get_default_dtype() == torch.float32
