"""The optimizers are torch's, bit by bit."""

import io
from typing import Any

import pytest
import torch
from torch import nn

from edge_train import Settings
from edge_train.loop.optimizers import optimizer_of


def parameters() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in ((5, 3), (5,), (1, 5), (1,), (70, 33))]


def gradients(step: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(step)
    return [torch.randn(parameter.shape, generator=random) for parameter in parameters()]


def settings(name: Any, decay: float) -> Settings:
    return Settings((5,), optimizer=name, learning_rate=0.01, weight_decay=decay)


def steps(ours: Any, given: list[nn.Parameter], first: int, count: int) -> None:
    for step in range(first, first + count):
        for parameter, gradient in zip(given, gradients(step), strict=True):
            parameter.grad = gradient
        ours.step(0.01 / (1 + step))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_same_bits_as_torchs(name: str, decay: float) -> None:
    ours, theirs = parameters(), parameters()
    steps(optimizer_of(ours, settings(name, decay)), ours, 0, 7)
    other: torch.optim.Optimizer = (
        torch.optim.SGD(theirs, lr=0.01, weight_decay=decay)
        if name == "sgd"
        else torch.optim.AdamW(theirs, lr=0.01, weight_decay=decay, fused=True)
    )
    for step in range(7):
        for parameter, gradient in zip(theirs, gradients(step), strict=True):
            parameter.grad = gradient
        for group in other.param_groups:
            group["lr"] = 0.01 / (1 + step)
        other.step()
    assert all(map(torch.equal, ours, theirs))
    assert not torch.equal(ours[0], parameters()[0])


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_state_that_was_kept_in_a_file_continues(name: str) -> None:
    whole, halves = parameters(), parameters()
    steps(optimizer_of(whole, settings(name, 0.1)), whole, 0, 8)
    first = optimizer_of(halves, settings(name, 0.1))
    steps(first, halves, 0, 4)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = optimizer_of(halves, settings(name, 0.1))
    second.load_state_dict(torch.load(file, weights_only=True))
    steps(second, halves, 4, 4)
    assert all(map(torch.equal, whole, halves))
