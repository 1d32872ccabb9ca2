"""A recorded step leaves the gradients that autograd leaves, bit for bit."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime import Feature, Input, Signature
from edge_train import Network, NeuralNet, TableNet
from edge_train.loop.recorder import Recorder
from edge_train.loop.steps import Objective, RecordedStep

TASKS: dict[str, Any] = {"binary_classification": (0, 1), "multiclass_classification": (0, 1, 2), "regression": ()}


@st.composite
def networks(draw: st.DrawFn) -> Network:
    torch.manual_seed(draw(st.integers(0, 2**31)))
    if draw(st.integers(0, 4)) == 0:
        return NeuralNet(draw(st.integers(1, 5)), draw(st.integers(1, 9)))
    task: Any = draw(st.sampled_from(sorted(TASKS)))
    missing = draw(st.sampled_from([0.0, 0.3]))
    numbers = tuple(Feature(f"n{place}", missing=missing) for place in range(draw(st.integers(0, 3))))
    categorical = tuple(
        Feature(f"t{place}", "categorical", missing=missing, categories=tuple(range(count)))
        for place, count in enumerate(draw(st.lists(st.integers(1, 30), max_size=2, min_size=not numbers)))
    )
    inputs = tuple(Input(name, group) for name, group in (("x", numbers), ("text", categorical)) if group)
    hidden = draw(st.lists(st.integers(1, 20), max_size=3))
    smoothing = draw(st.sampled_from([0.0, 0.1]))
    signature = Signature(inputs, "o", TASKS[task], task)
    members = draw(st.integers(1, 3))
    bins = torch.arange(len(numbers)).repeat_interleave(3) if draw(st.booleans()) else None
    return TableNet(signature, hidden, smoothing=smoothing, members=members, bins=bins)


def batch(network: Network, rows: int, weighted: bool, dropout: bool) -> list[torch.Tensor]:
    tensors = []
    for tensor in network.signature.inputs:
        if tensor.holds_strings:
            codes = [torch.randint(0, len(feature.categories) + 2, (rows,)) for feature in tensor.features]
            tensors.append(torch.stack(codes, 1))
        else:
            x = torch.randn(rows, len(tensor.features))
            missing = (torch.rand_like(x) < 0.2) & (tensor.features[0].missing is not None)
            tensors.append(x.masked_fill(missing, torch.nan))
    tensors = list(network.prepare(tuple(tensors)))
    classes = len(network.signature.labels)
    target = torch.randint(0, max(classes, 2), (rows,))
    tensors.append(target if classes > 2 else target.float() if classes else torch.randn(rows))
    if weighted:
        # Of each row, or of each row to each member.
        shape = (rows,) if network.members == 1 else (rows, network.members)
        tensors.append(torch.rand(shape) + 0.1)
    if dropout:
        tensors += [torch.empty(rows, width).bernoulli_(0.7).div_(0.7) for width in network.dropout_widths]
    return tensors


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("members", [1, 2])
def test_the_objective_is_the_loss_of_its_batch(members: int, weighted: bool, dropout: bool) -> None:
    """It tells inputs, target, weight and masks apart."""
    numbers, categories = Feature("n"), Feature("c", "categorical", categories=(1, 2))
    signature = Signature((Input("x", (numbers,)), Input("text", (categories,))), "o", (0, 1))
    network = TableNet(signature, (5, 4), members=members).train()
    tensors = batch(network, 9, weighted, dropout)
    found = Objective(network, 2, weighted)(*tensors)
    weight, masks = (tensors[3] if weighted else None), tuple(tensors[3 + weighted :])
    assert len(masks) == 2 * dropout
    assert torch.equal(found, network.loss((tensors[0], tensors[1]), tensors[2], weight, masks))


SIZES = st.lists(st.integers(1, 70), min_size=1, max_size=3)


@settings(max_examples=5, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(), SIZES, st.booleans(), st.booleans())
def test_equal_to_autograd_bit_by_bit(network: Network, sizes: list[int], weighted: bool, dropout: bool) -> None:
    check(network, sizes, weighted, dropout)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(), SIZES, st.booleans(), st.booleans())
def test_equal_to_autograd_for_many_networks(network: Network, sizes: list[int], weighted: bool, dropout: bool) -> None:
    check(network, sizes, weighted, dropout)


@settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(), st.booleans(), st.booleans())
def test_nothing_is_changed_in_place(network: Network, weighted: bool, dropout: bool) -> None:
    """The recorder would have to repeat every operation."""
    objective = Objective(network.train(), len(network.signature.inputs), weighted)
    tensors = batch(network, 5, weighted, dropout)
    with Recorder() as recorder:
        loss = objective(*tensors)
        torch.autograd.grad(loss, list(network.parameters()))
    operations = {func for func, *_ in recorder._operations}
    assert [func for func in operations if func._schema.is_mutable] == []


def check(network: Network, sizes: list[int], weighted: bool, dropout: bool) -> None:
    objective = Objective(network.train(), len(network.signature.inputs), weighted)
    step, optimizer = RecordedStep(objective), torch.optim.SGD(network.parameters(), 0.1)
    # The second batch of a size is a replay, with weights that have changed since.
    for rows in [*sizes, *sizes]:
        tensors = batch(network, rows, weighted, dropout)
        loss = step(tensors)
        found = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
        network.zero_grad()
        expected = objective(*tensors)
        expected.backward()
        assert torch.equal(loss, expected.detach())
        assert not loss.requires_grad
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        assert len(found) == len(gradients) > 0
        assert all(map(torch.equal, found, gradients))
        optimizer.step()
