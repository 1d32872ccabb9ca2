"""The training loop, against a plain loop in torch."""

import copy
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_net import PlainNet
from torch import nn

from edge_runtime import Feature
from edge_train import (
    Column,
    Dataset,
    NeuralNet,
    Settings,
    TableNet,
    TrainingDiverged,
    TrainingRun,
    find_columns,
    find_target,
    four_blobs,
    measure,
    new_network,
    read_table,
    split,
    table_defaults,
    train,
)
from edge_train.loop.division import divided
from edge_train.loop.evaluation import mean_loss
from edge_train.loop.held_out import Trained
from edge_train.loop.optimizers import SGD
from edge_train.loop.settings import EXAMPLE_DEFAULTS

Table = Callable[..., Dataset]
QUICK = Settings((8,), batch_size=32, epochs=5)


def weights(run: TrainingRun) -> torch.Tensor:
    return nn.utils.parameters_to_vector(run.model.parameters())


def plain_example(data: Dataset, model: nn.Module, epochs: int) -> list[float]:
    x, y = torch.tensor(data.train.inputs["x"]), torch.tensor(data.train.target)
    criterion = nn.BCELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    losses = []
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = criterion(model(x).squeeze(), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(17, marks=pytest.mark.slow)])
def test_the_example_equals_a_plain_loop_in_every_epoch(example_run: TrainingRun, seed: int) -> None:
    data = four_blobs(seed)
    run = example_run if seed == 0 else train(data, replace(EXAMPLE_DEFAULTS, seed=seed))
    torch.manual_seed(seed)
    model = PlainNet(2, 5)
    initial = {key: value.clone() for key, value in model.state_dict().items()}
    assert run.losses == plain_example(data, model, 2000)
    for key, value in run.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[key])
        assert not torch.equal(value, initial[key])


@pytest.mark.slow
def test_the_example_over_seeds() -> None:
    """A plain loop over 20 seeds gave a median test loss of 0.040, a median probability of 0.991, one dead start."""
    runs = [train(four_blobs(seed), replace(EXAMPLE_DEFAULTS, seed=seed)) for seed in range(20)]
    test_losses = np.array([run.evaluations[-1][1] for run in runs])
    with torch.inference_mode():
        probabilities = np.array([run.model(torch.tensor([[-1.0, 1.0]])).item() for run in runs])
    assert 0.03 < np.median(test_losses) < 0.06
    assert np.median(probabilities) > 0.98
    dead = test_losses > 0.3
    assert dead.sum() <= 2
    assert (test_losses[~dead] < 0.15).all()
    assert np.mean([run.evaluations[0][1] for run in runs]) == pytest.approx(0.7, abs=0.1)


def test_what_a_run_says(example_run: TrainingRun) -> None:
    run, data = example_run, four_blobs(0)
    assert data.test is not None
    assert run.epoch == len(run.losses) == 2000
    assert [epoch for epoch, _ in run.evaluations] == list(range(0, 2001, 100))
    assert run.evaluations[-1][1] == mean_loss(run.model, data.test)
    assert measure(run.model, data.test)["accuracy"] == 1.0
    assert not run.model.training
    assert run.model.signature == data.signature
    assert run.model.data_sha256 == data.training_sha256
    assert run.measured is run.final
    assert run.final == Trained(run.model)
    assert not run.validated


def test_each_epoch_is_reported_and_the_random_state_is_left() -> None:
    seen: list[Any] = []
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run = train(four_blobs(0), replace(EXAMPLE_DEFAULTS, epochs=3), on_epoch=lambda *epoch: seen.append(epoch))
    assert torch.equal(torch.rand(1), expected)
    losses, last = run.losses, run.evaluations[-1][1]
    assert seen == [(0, losses[0], None), (1, losses[1], None), (2, losses[2], last)]


@pytest.mark.parametrize("batch_size", [None, 16])
def test_diverging_is_an_error(batch_size: int | None) -> None:
    with pytest.raises(TrainingDiverged, match=r"diverged in epoch \d+; try a lower learning rate"):
        train(four_blobs(0), replace(EXAMPLE_DEFAULTS, learning_rate=1e38, batch_size=batch_size))


def test_weights_that_diverge_in_the_last_step_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is found before the step, so that it is still finite."""
    data = replace(four_blobs(0), test=None)
    network = new_network(data, EXAMPLE_DEFAULTS)
    assert isinstance(network, NeuralNet)
    step = SGD.step

    def overflow(optimizer: SGD, rate: float) -> None:
        step(optimizer, rate)
        network.linear_1.weight.data[0, 0] = torch.inf

    monkeypatch.setattr(SGD, "step", overflow)
    with pytest.raises(TrainingDiverged, match="diverged in epoch 0"):
        train(data, replace(EXAMPLE_DEFAULTS, epochs=1), network=network)


def plain_batches(data: Dataset, settings: Settings) -> torch.Tensor:
    """As the settings' words say, in torch's own, with neither recordings nor masks, and each member alone."""
    network = new_network(data, settings).train()
    assert isinstance(network, TableNet)
    members = [copy.deepcopy(network.subset(slice(place, place + 1))) for place in range(settings.members)]
    learned = torch.from_numpy(divided(data, settings, settings.members, all_rows=False).learned)
    for member, rows in zip(members, learned.T, strict=True):
        plain_member(member, rows, data, settings)
    return torch.cat([torch.cat(alike).flatten() for alike in zip(*(one.parameters() for one in members), strict=True)])


def plain_member(network: TableNet, learned: torch.Tensor, data: Dataset, settings: Settings) -> None:
    tensors = [torch.from_numpy(data.train.inputs[tensor.name]) for tensor in data.signature.inputs]
    tensors.append(torch.from_numpy(data.train.target))
    rate, decay = settings.learning_rate, settings.weight_decay
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "adamw":
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay, fused=True)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=rate, weight_decay=decay)
    size = settings.batch_size or len(data.train)
    steps = -(-len(data.train) // size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: (1 + np.cos(np.pi * step / steps / settings.epochs)) / 2 if settings.schedule == "cosine" else 1.0,
    )
    for epoch in range(settings.epochs):
        random = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
        for batch in torch.split(torch.randperm(len(data.train), generator=random), size):
            own = batch[learned[batch]]
            *inputs, target = [tensor[own] for tensor in tensors]
            optimizer.zero_grad()
            loss = network.loss(network.prepare(tuple(inputs)), target, None, ())
            # As if all batches had as many of the rows that it learns from.
            torch.autograd.backward(loss * len(own) / (len(batch) * learned.float().mean()))
            optimizer.step()
            schedule.step()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize(
    "settings",
    [
        # Batches of one size, whose step is recorded once.
        replace(QUICK, schedule="cosine", hidden=(8, 4), epochs=3, batch_size=60),
        replace(QUICK, optimizer="adamw", learning_rate=1e-3, weight_decay=0.1, smoothing=0.1, epochs=3, batch_size=60),
        replace(QUICK, members=3, validation=0.2, weight_decay=0.1, smoothing=0.1, batch_size=60),
        pytest.param(QUICK, marks=pytest.mark.slow),
        pytest.param(replace(QUICK, weight_decay=0.1, smoothing=0.1), marks=pytest.mark.slow),
        pytest.param(
            replace(QUICK, optimizer="adamw", learning_rate=1e-3, weight_decay=0.1, schedule="cosine"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_batches_schedule_and_optimizers_are_torchs(made_table: Table, task: str, settings: Settings) -> None:
    data = made_table(task=task)
    run = train(data, settings)
    if run.final.sharpness is not None:
        assert isinstance(run.model, TableNet)
        run.model.sharpen(1 / run.final.sharpness)
    found = weights(run)
    # Those of a scale that was not worth it come last.
    torch.testing.assert_close(found, plain_batches(data, settings)[: len(found)], rtol=1e-5, atol=1e-6)


def test_the_learning_rate_is_half_a_cosine() -> None:
    """One weight's steps, with a gradient that hardly changes."""
    data = four_blobs(0)
    seen: list[torch.Tensor] = []
    network = new_network(data, EXAMPLE_DEFAULTS)
    settings = replace(EXAMPLE_DEFAULTS, epochs=10, schedule="cosine", learning_rate=1e-4)

    def look(*_: Any) -> None:
        seen.append(nn.utils.parameters_to_vector(network.parameters()).detach().double().clone())

    look()
    train(data, settings, network=network, on_epoch=look)
    lengths = torch.stack([(after - before).norm() for before, after in itertools.pairwise(seen)])
    expected = (1 + torch.cos(torch.pi * torch.arange(10) / 10)) / 2
    torch.testing.assert_close(lengths / lengths[0], expected.double(), rtol=0.02, atol=0.01)


@pytest.mark.parametrize("task", ["binary", pytest.param("multiclass", marks=pytest.mark.slow), "regression"])
def test_a_table_is_learned(made_table: Table, task: str) -> None:
    data = made_table(1500, task=task)
    run = train(data, replace(table_defaults(len(data.train)), epochs=15))
    assert data.test is not None
    found = measure(run.model, data.test)
    assert isinstance(run.model, TableNet)
    assert found["r2"] > 0.6 if task == "regression" else found["roc_auc"] > 0.88


def test_balanced_weights_help_a_rare_class(made_table: Table) -> None:
    data = made_table(4000, rare=0.03)
    settings = replace(table_defaults(len(data.train)), epochs=12)
    assert data.test is not None
    recalls = []
    for balanced in (False, True):
        matrix = measure(train(data, replace(settings, balanced=balanced)).model, data.test)["confusion_matrix"]
        recalls.append(matrix[1][1] / sum(matrix[1]))
    assert recalls[0] < 0.6
    assert recalls[1] > 0.8


def test_the_same_arguments_give_the_same_weights(made_table: Table) -> None:
    data = made_table(100)
    settings = replace(table_defaults(len(data.train)), epochs=3, hidden=(16,), batch_size=34)
    first = weights(train(data, settings))
    assert torch.equal(weights(train(made_table(100), settings)), first)
    for other in (
        replace(settings, seed=1),
        replace(settings, dropout=0.1),
        replace(settings, smoothing=0.0),
        replace(settings, weight_decay=0.0),
        replace(settings, learning_rate=4e-3),
        replace(settings, schedule="constant"),
        replace(settings, balanced=True),
        replace(settings, members=4),
        replace(settings, validation=0.1),
    ):
        found = weights(train(data, other))
        assert len(found) != len(first) or not torch.equal(found, first)


def test_which_network_suits(made_table: Table) -> None:
    data = four_blobs(0)
    assert isinstance(new_network(data, EXAMPLE_DEFAULTS), NeuralNet)
    assert isinstance(new_network(data, replace(EXAMPLE_DEFAULTS, hidden=(5, 5))), TableNet)
    for choices in ({"dropout": 0.1}, {"members": 2}, {"validation": 0.1}):
        assert isinstance(new_network(data, replace(EXAMPLE_DEFAULTS, **choices)), TableNet)
    network = new_network(made_table(), replace(EXAMPLE_DEFAULTS, members=3))
    assert isinstance(network, TableNet)
    assert network.numeric is not None
    assert network.numeric.bins is not None
    # Of the number and of the noise.
    assert (network.members, network.numeric.bins.column.tolist()) == (3, [0] * 16 + [1] * 16)
    (inputs,) = data.signature.inputs
    nullable = replace(inputs, features=(Feature("x1", missing=0.0), Feature("x2")))
    signature = replace(data.signature, inputs=(nullable,))
    assert isinstance(new_network(replace(data, signature=signature), EXAMPLE_DEFAULTS), TableNet)


@pytest.mark.parametrize(("hidden", "threads"), [((8,), 1), ((1024, 1024), 2)])
def test_small_networks_take_one_thread(made_table: Table, hidden: tuple[int, ...], threads: int) -> None:
    seen: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    settings = replace(QUICK, hidden=hidden, epochs=1)
    train(made_table(60), settings, on_epoch=lambda *_: seen.append(torch.get_num_threads()))
    assert (seen, torch.get_num_threads()) == ([threads], 2)
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_breast_cancer(breast_cancer: Path, seed: int) -> None:
    """A real table, whose numbers differ by orders of magnitude: at least 95 % right."""
    made = read_table(breast_cancer)
    target = find_target(made, "diagnosis", "t.csv")
    columns = find_columns(made.drop_columns(["diagnosis"]), "t.csv")
    assert Counter(column.kind for column in columns if isinstance(column, Column)) == {"numeric": 30}
    data = split([one for one in columns if isinstance(one, Column)], target, seed)
    run = train(data, replace(table_defaults(len(data.train)), epochs=60, seed=seed))
    assert data.test is not None
    assert measure(run.model, data.test)["accuracy"] >= 0.95
    assert run.model.signature.labels == ("benign", "malignant")
