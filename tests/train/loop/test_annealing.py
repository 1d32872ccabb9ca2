"""The learning rate that is constant, and then goes down to 0 from the best weights."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge_train import Checkpointer, Dataset, Settings, TrainingRun, train
from edge_train.loop.optimizers import SGD, AdamW
from edge_train.loop.progress import TrainingProgress
from edge_train.networks.checkpoint import checkpoint_bytes

Table = Callable[..., Dataset]
SETTINGS = Settings((8,), members=2, validation=0.25, learning_rate=0.01, epochs=12, schedule="anneal")
# Of so few rows it soon learns what does not hold for others.
OVERFITTING = Settings(
    (64, 64),
    members=2,
    validation=0.25,
    optimizer="adamw",
    learning_rate=3e-3,
    batch_size=16,
    epochs=200,
    patience=3,
    schedule="anneal",
)


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate of each step."""
    seen: list[float] = []
    for kind in (SGD, AdamW):

        def step(self: Any, rate: float, taken: Any = kind.step) -> None:
            seen.append(rate)
            taken(self, rate)

        monkeypatch.setattr(kind, "step", step)
    return seen


@pytest.mark.parametrize(("epochs", "begin"), [(12, 8), (13, 9), (3, 2), (2, 2), (1, 1)])
@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_without_patience_the_last_third_is_annealed(
    made_table: Table, rates: list[float], epochs: int, begin: int, validation: float
) -> None:
    run = train(made_table(60), replace(SETTINGS, epochs=epochs, validation=validation))
    assert len(run.losses) == len(rates) == epochs == run.epoch
    falling = [(epochs - epoch) / (epochs - begin) for epoch in range(begin, epochs)]
    np.testing.assert_allclose(rates, [0.01] * begin + [0.01 * one for one in falling], rtol=1e-9)


def test_within_an_epoch_the_rate_goes_down_from_step_to_step(made_table: Table, rates: list[float]) -> None:
    train(made_table(100), replace(SETTINGS, epochs=3, batch_size=20))
    assert rates == pytest.approx([0.01] * 8 + [0.0100, 0.0075, 0.005, 0.0025])


def steps_of(run: TrainingRun, rates: list[float]) -> tuple[int, int, int]:
    """How many epochs were done when annealing began, how many epochs it took, and the best epoch before."""
    epochs = len(run.losses)
    steps = len(rates) // epochs
    begin = next(epoch for epoch in range(epochs) if rates[epoch * steps + 1] < OVERFITTING.learning_rate)
    before = {epoch: loss for epoch, loss in run.evaluations if 0 < epoch <= begin}
    return begin, epochs - begin, min(before, key=before.__getitem__)


def test_when_patience_ends_it_anneals_over_half_as_many_epochs_as_were_good(
    made_table: Table, rates: list[float]
) -> None:
    run = train(made_table(120, task="regression"), OVERFITTING)
    begin, count, best = steps_of(run, rates)
    assert OVERFITTING.patience is not None
    assert begin == best + OVERFITTING.patience < 200
    assert count == max(4, -(-best // 2))
    steps = len(rates) // len(run.losses)
    expected = [3e-3] * (begin * steps) + [3e-3 * (1 - step / (count * steps)) for step in range(count * steps)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9)
    losses = dict(run.evaluations)
    assert len(losses) == len(run.losses) + 1
    del losses[0]
    assert run.epoch == min(losses, key=losses.__getitem__)


def seen_weights(data: Dataset, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> tuple[TrainingRun, list[Any]]:
    """The weights before each step."""
    seen: list[Any] = []
    step = AdamW.step

    def look(self: AdamW, rate: float) -> None:
        seen.append((rate, torch.cat([values.detach().flatten() for values in self._parameters])))
        step(self, rate)

    with monkeypatch.context() as patched:
        patched.setattr(AdamW, "step", look)
        return train(data, settings), seen


def test_annealing_starts_from_the_best_weights(made_table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = seen_weights(made_table(120, task="regression"), OVERFITTING, monkeypatch)
    steps = len(seen) // len(run.losses)
    begin, _, best = steps_of(run, [rate for rate, _ in seen])
    assert torch.equal(seen[begin * steps][1], seen[best * steps][1])
    changes = [not torch.equal(one, other) for (_, one), (_, other) in itertools.pairwise(seen)]
    assert all(changes)


def test_patience_never_makes_it_longer(made_table: Table) -> None:
    run = train(made_table(60, task="regression"), replace(OVERFITTING, epochs=9, patience=8))
    assert len(run.losses) <= 9


class Interrupted(Exception):
    """After an epoch."""


@pytest.mark.parametrize("all_rows", [False, True])
@pytest.mark.parametrize("after", ["before", "at the first epoch", "in the middle", "at the end"])
def test_resumed_while_it_anneals_it_ends_with_the_same_bytes(
    made_table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: str, all_rows: bool
) -> None:
    data = made_table(80, task="regression")
    settings = replace(OVERFITTING, hidden=(16,), patience=2, epochs=30, dropout=0.1)
    kept: list[tuple[int, Any]] = []
    monkeypatch.setattr("edge_train.loop.progress._SECONDS", 0.0)
    save = Checkpointer.save

    def note(self: Checkpointer, run_sha256: str, progress: TrainingProgress) -> None:
        save(self, run_sha256, progress)
        kept.append((progress.epoch, progress.annealing))

    with monkeypatch.context() as patched:
        patched.setattr(Checkpointer, "save", note)
        whole = train(data, settings, all_rows=all_rows, checkpointer=Checkpointer(tmp_path / "whole", resume=False))
    ((begin, end),) = {annealing for _, annealing in kept if annealing}
    assert end - begin >= 3
    assert end == len(whole.losses)
    stop = {"before": begin, "at the first epoch": begin + 1, "in the middle": end - 2, "at the end": end}[after]

    def interrupt(self: Checkpointer, run_sha256: str, progress: TrainingProgress) -> None:
        save(self, run_sha256, progress)
        if progress.epoch == stop:
            raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(Checkpointer, "save", interrupt)
        with pytest.raises(Interrupted):
            train(data, settings, all_rows=all_rows, checkpointer=Checkpointer(tmp_path / "parts", resume=False))
    again = train(data, settings, all_rows=all_rows, checkpointer=Checkpointer(tmp_path / "parts", resume=True))
    assert (again.losses, again.evaluations, again.epoch) == (whole.losses, whole.evaluations, whole.epoch)
    for one, other in ((again.final, whole.final), (again.measured, whole.measured)):
        assert checkpoint_bytes(one.network) == checkpoint_bytes(other.network)
        assert one.sharpness == other.sharpness
        assert one.held_out is not None
        assert other.held_out is not None
        assert np.array_equal(one.held_out.answers, other.held_out.answers)
