"""A captured program in float64: the same computation with 53 bits, whatever operations it is made of."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from tiers import mostly_slow
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from zoo import ZOO

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.random_rounding import RandomRounding


def program_of(forward: Callable[..., Any], *shape: int) -> Program:
    return capture(layer(forward), rows(*shape or (5, 4)))


FAST = ["residual", "dict in, dict out", "buffers"]


@pytest.mark.parametrize("name", mostly_slow(ZOO, FAST))
def test_it_is_the_module_in_float64(name: str) -> None:
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
        torch.testing.assert_close(torch.from_numpy(one.copy()), other, rtol=1e-12, atol=1e-12)


def in_place(self: Any, x: Tensor) -> Tensor:
    y: Tensor = self.linear(x).clone()
    y[:, 0] *= 3
    y[y < 0] = 0
    return y.tanh_()


def without_gradients(self: Any, x: Tensor) -> Any:
    with torch.no_grad():
        y = self.linear(x)
    return y + x


def five_times(self: Any, x: Tensor) -> Any:
    from torch._higher_order_ops.while_loop import while_loop

    return while_loop(  # type: ignore[no-untyped-call]
        lambda i, v: i < 5, lambda i, v: (i + 1, v * 1.1 + 0.3), (torch.tensor(0), x)
    )[1]


def cells(self: Any, x: Tensor) -> Tensor:
    """Starts from zeros, which have no type of their own, as recurrent cells and sums over graphs do."""
    state = torch.zeros(x.shape[0], 4)
    for _ in range(3):
        state = torch.tanh(self.linear(state) + x)
    return state.index_add(0, torch.tensor([0, 2]), torch.ones(2, 4))


def norms(self: Any, x: Tensor) -> Tensor:
    wide = x.unsqueeze(-1).repeat(1, 1, 3)
    return nn.functional.layer_norm(x, (4,)) + nn.functional.group_norm(wide, 2).sum(-1)


MANY: dict[str, Callable[..., Any]] = {
    "in place": in_place,
    "without gradients": without_gradients,
    "a loop": five_times,
    "numbers of its own": cells,
    "norms": norms,
    "integers on the way": lambda self, x: self.linear((x * 10).int() / 3) + torch.arange(4) * 0.1,
    "views": lambda self, x: self.linear(x).view(-1, 2, 2).transpose(1, 2).reshape(-1, 4)[:, 1::2],
    "back and forth": lambda self, x: self.linear(x.double().cumsum(1).float().to(torch.float32)),
    "its own input": lambda self, x: (x, self.linear.weight, self.linear(x)),
    "either branch": lambda self, x: torch.cond(x.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (x,)),
    "a number first": lambda self, x: 2.0**x + 2.5 % self.linear(x) + 1 / (3 - x) + torch.where(x > 0, 1.5, x),
    "complex on the way": lambda self, x: torch.polar(x.abs(), x).to(torch.complex64).imag,
    "complex numbers": lambda self, x: torch.fft.rfft(self.linear(x)).abs(),
}


@pytest.mark.parametrize("name", mostly_slow(MANY, ["in place", "a loop", "numbers of its own", "norms", "views"]))
def test_many_ways_to_compute(name: str) -> None:
    program = program_of(MANY[name])
    expected = program.run(program.example)
    exact = Arithmetic(program)
    # The roundings of Fourier transforms count many times.
    drawn = 1e-4 if name == "complex numbers" else 8e-6
    for found, atol in ((exact.run(program.example), 2e-6), (RandomRounding(exact, 0).run(program.example), drawn)):
        assert list(found) == list(expected)
        for output, values in expected.items():
            assert found[output].dtype == np.float64
            np.testing.assert_allclose(found[output], values, rtol=1e-5, atol=atol)
    assert torch.get_default_dtype() == torch.float32


class RunningNorm(nn.Module):
    """In steps it gives the new values of the arguments that it changes, besides its result."""

    def forward(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return nn.functional.instance_norm(x, mean, var)


def test_a_norm_that_changes_its_arguments() -> None:
    example = (rows(2, 4, 5), torch.zeros(4), torch.ones(4))
    program = capture(RunningNorm(), example, {"mean": (), "var": ()})
    expected = program.run(program.example)["output"]
    found = Arithmetic(program).run(program.example)
    assert list(found) == ["output"]
    np.testing.assert_allclose(found["output"], expected, atol=1e-5)


def test_either_branch() -> None:
    program = program_of(MANY["either branch"])
    for sign, function in ((1, np.sin), (-1, np.cos)):
        x = sign * np.abs(program.example["x"])
        np.testing.assert_array_equal(Arithmetic(program).run({"x": x})["output"], function(x.astype(np.float64)))


def test_nothing_overflows_as_in_float32() -> None:
    program = program_of(lambda self, x: x * x.amax() / 1e30)
    x = {"x": np.full((1, 4), 1e30, dtype=np.float32)}
    assert np.isinf(program.run(x)["output"]).all()
    exact = Arithmetic(program)
    assert exact.run(x)["output"] == pytest.approx(1e30, rel=1e-6)
    assert RandomRounding(exact, 0).run(x)["output"] == pytest.approx(1e30, rel=1e-5)


def test_what_cannot_run_in_float64() -> None:
    program = program_of(lambda self, x: (x.view(torch.int32) & 0x7FFFFFFF).view(torch.float32))
    with pytest.raises(ExportError) as raised:
        Arithmetic(program).run(program.example)
    assert str(raised.value).startswith("the module cannot be verified, since it cannot run in float64: ")
    assert "it reads the bits of its numbers" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert torch.get_default_dtype() == torch.float32
