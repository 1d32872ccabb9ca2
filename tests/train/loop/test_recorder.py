"""What a recording drops, and what it must not."""

from collections.abc import Callable, Sequence

import pytest
import torch
from commands import assert_python_runs
from torch import Tensor

from edge_train.loop.recorder import Recorder

Function = Callable[..., Sequence[Tensor]]
CONSTANT = torch.arange(6.0).reshape(2, 3)


def twice_transposed(x: Tensor) -> Sequence[Tensor]:
    return (x.t().t() + 1, x.t() @ x.t().t())


def of_constants(x: Tensor) -> Sequence[Tensor]:
    return (x * (CONSTANT * 2).sum(), torch.ones_like(x).sum() * x, CONSTANT + 1)


def inputs_as_outputs(x: Tensor) -> Sequence[Tensor]:
    return (x, x.detach(), x.t().t())


def several_results(x: Tensor) -> Sequence[Tensor]:
    values, places = x.sort(1)
    return (*torch.split(values, 1), places * 2.0)


def in_place(x: Tensor) -> Sequence[Tensor]:
    y = x.clone()
    before = y + 0
    view = y.t().t()
    view += 1
    return (y, before, CONSTANT.clone().mul_(2) + y)


def of_the_same_shape(x: Tensor) -> Sequence[Tensor]:
    return (x.view(2, 3) + 1, x.expand(2, 3) * 2, x.expand(4, 2, 3) @ x.t().expand(4, 3, 2), x.view(3, 2).expand(3, 2))


def by_name(x: Tensor) -> Sequence[Tensor]:
    return (torch.add(input=x, other=x, alpha=3), torch.full((2,), 7.0, dtype=torch.float64))


@pytest.mark.parametrize(
    "function",
    [twice_transposed, of_constants, inputs_as_outputs, several_results, in_place, of_the_same_shape, by_name],
)
def test_a_replay_computes_what_the_function_does(function: Function) -> None:
    x = torch.randn(2, 3)
    with Recorder() as recorder:
        found = function(x)
    replay = recorder.replay([x], found)
    for seed in range(3):
        other = torch.randn(2, 3, generator=torch.Generator().manual_seed(seed))
        expected = function(other.clone())
        got = replay(other.clone())
        assert len(got) == len(expected)
        assert all(map(torch.equal, got, expected))
    # Nothing that the first call gave has changed.
    assert all(map(torch.equal, function(x), found))


def count(function: Function, *given: Tensor) -> int:
    """How many operations a replay has."""
    with Recorder() as recorder:
        found = function(*given)
    replay = recorder.replay(given, found)
    with Recorder() as again:
        replay(*given)
    return len(again._operations)


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (twice_transposed, 3),
        (of_constants, 2),
        (inputs_as_outputs, 0),
        (of_the_same_shape, 7),
        (lambda x: (x + 1, x * 2)[:1], 1),
        (lambda x: (torch.rand(3) + x[0],), 3),
    ],
)
def test_what_need_not_be_computed_again_is_dropped(function: Function, left: int) -> None:
    assert count(function, torch.randn(2, 3)) == left


def test_random_numbers_are_drawn_anew() -> None:
    x = torch.zeros(100)
    with Recorder() as recorder:
        found = (torch.rand(100) + x,)
    replay = recorder.replay([x], found)
    assert not torch.equal(replay(x)[0], replay(x)[0])


def test_gradients() -> None:
    x, weight = torch.randn(4, 3), torch.randn(3, 3, requires_grad=True)
    with Recorder() as recorder:
        loss = (x @ weight.t()).relu().square().mean()
        (gradient,) = torch.autograd.grad(loss, [weight])
    replay = recorder.replay([x, weight], [loss, gradient])
    other, changed = torch.randn(4, 3), torch.randn(3, 3, requires_grad=True)
    with torch.no_grad():
        found = replay(other, changed.detach())
    expected = (other @ changed.t()).relu().square().mean()
    assert torch.equal(found[0], expected)
    assert torch.equal(found[1], torch.autograd.grad(expected, [changed])[0])


def test_training_does_not_import_what_compiles() -> None:
    """It took as long as the training of a small table."""
    assert_python_runs("""
import sys
from edge_train import Settings, four_blobs, train
for optimizer in ("sgd", "adamw"):
    train(four_blobs(0), Settings((5,), optimizer=optimizer, epochs=3))
assert "torch._dynamo" not in sys.modules
""")
