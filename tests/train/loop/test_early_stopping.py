"""Which epoch's weights are taken."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edge_train import Dataset, Network, Settings, TableNet, TrainingRun, train
from edge_train.loop.division import divided
from edge_train.loop.evaluation import mean_loss

Table = Callable[..., Dataset]
QUICK = Settings((8,), batch_size=32, epochs=5)
OVERFITTING = Settings(
    (64, 64), validation=0.2, optimizer="adamw", learning_rate=3e-3, batch_size=16, epochs=200, patience=7
)


def weights(run: TrainingRun) -> torch.Tensor:
    return nn.utils.parameters_to_vector(run.model.parameters())


def held_out_losses(data: Dataset, settings: Settings, network: Network) -> float:
    """The mean loss of each member on the rows that it held out."""
    assert isinstance(network, TableNet)
    losses, counts = [], []
    learned = divided(data, settings, settings.members, all_rows=False).learned
    for place, one in enumerate(learned.T):
        part = data.train.taken(np.flatnonzero(~one))
        losses.append(mean_loss(network.subset(slice(place, place + 1)), part))
        counts.append(len(part))
    return float(np.average(losses, weights=counts))


@pytest.mark.parametrize("members", [1, 3])
def test_the_best_epoch_is_taken(made_table: Table, members: int) -> None:
    data = made_table(120, task="regression")
    settings = replace(OVERFITTING, members=members)
    run = train(data, settings)
    assert run.validated
    losses = dict(run.evaluations)
    del losses[0]
    assert run.epoch == min(losses, key=losses.__getitem__)
    assert len(run.losses) == run.epoch + 7 < 200
    assert held_out_losses(data, settings, run.model) == pytest.approx(losses[run.epoch], rel=1e-5)
    shorter = train(data, replace(settings, epochs=run.epoch, patience=None))
    assert torch.equal(weights(run), weights(shorter))


def test_without_patience_the_last_epoch_is_taken(made_table: Table) -> None:
    run = train(made_table(120), replace(QUICK, epochs=7, members=2, validation=0.2))
    assert run.epoch == len(run.losses) == 7
    assert len(run.evaluations) == 8


def test_the_test_rows_never_tell_when_to_stop(made_table: Table) -> None:
    data = made_table(60)
    settings = replace(QUICK, epochs=103, learning_rate=1e-9, batch_size=None)
    patient, without = train(data, replace(settings, patience=1)), train(data, settings)
    assert not patient.validated
    assert patient.epoch == len(patient.losses) == 103
    assert [epoch for epoch, _ in patient.evaluations] == [0, 100, 103]
    assert torch.equal(weights(patient), weights(without))
