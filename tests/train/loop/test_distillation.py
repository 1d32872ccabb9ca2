"""One member that answers nearly as all members do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from edge_train import (
    Dataset,
    Network,
    Part,
    Settings,
    TableNet,
    TrainingRun,
    four_blobs,
    load_checkpoint,
    save_checkpoint,
    train,
)
from edge_train.loop import distillation
from edge_train.loop.distillation import can_be_distilled
from edge_train.loop.new_network import new_network
from edge_train.networks.answers import answers, scaled_answers

Table = Callable[..., Dataset]
TASKS = ["binary", "multiclass", "regression"]
SETTINGS = Settings(
    (16,), members=4, validation=0.25, dropout=0.1, optimizer="adamw", learning_rate=1e-2, batch_size=40, epochs=20
)


@pytest.fixture(autouse=True)
def fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for a few hundred rows."""
    monkeypatch.setattr(distillation, "_STEPS", 320)


def distilled(data: Dataset, settings: Settings = SETTINGS, *, all_rows: bool = True) -> TrainingRun:
    return train(data, settings, all_rows=all_rows, distill=True)


def same(one: Network, other: Network) -> bool:
    values = other.state_dict()
    return all(torch.equal(value, values[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("task", TASKS)
def test_it_is_one_member_that_answers_nearly_as_the_ensemble(made_table: Table, task: str) -> None:
    """Nearer than each of the members, and than a network of one member that learns the labels."""
    data = made_table(400, task=task)
    assert data.test is not None
    run, plain = distilled(data), train(data, SETTINGS, all_rows=True)
    alone = train(data, replace(SETTINGS, members=1), all_rows=True)
    for name in ("measured", "final"):
        trained, whole = getattr(run, name), getattr(plain, name)
        ensemble = trained.ensemble
        assert isinstance(trained.network, TableNet)
        assert isinstance(ensemble, TableNet)
        assert (trained.network.members, ensemble.members) == (1, 4)
        assert not trained.network.training
        assert same(ensemble, whole.network)
        assert trained.sharpness == whole.sharpness
        assert trained.network.data_sha256 == whole.network.data_sha256
        known = answers(ensemble, data.test)

        members = [ensemble.subset(slice(place, place + 1)) for place in range(4)]
        others = [np.abs(answers(one, data.test) - known).mean() for one in (*members, getattr(alone, name).network)]
        assert np.abs(answers(trained.network, data.test) - known).mean() < min(others)


def test_it_says_how_large_errors_are_as_the_ensemble_does(made_table: Table) -> None:
    data = made_table(600, task="regression")
    assert data.test is not None
    random = np.random.default_rng(0)
    for part in (data.train, data.test):
        noise = np.where(part.inputs["x"][:, 1] > 0.5, 1000, 10) * random.normal(size=len(part))
        part.target[:] += noise.astype(np.float32)
    trained = distilled(data).measured
    assert isinstance(trained.ensemble, TableNet)

    def logarithms(network: Network) -> npt.NDArray[np.float64]:
        assert data.test is not None
        scale = scaled_answers(network, data.test)[1]
        assert scale is not None
        return np.log(scale)

    known = logarithms(trained.ensemble)
    members = [trained.ensemble.subset(slice(place, place + 1)) for place in range(4)]
    others = [np.abs(logarithms(one) - known).mean() for one in members]
    assert np.abs(logarithms(trained.network) - known).mean() < min(others)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_run_gives_the_same_weights(made_table: Table, task: str) -> None:
    data = made_table(150, task=task)
    settings = replace(SETTINGS, epochs=2)
    one, two, other = distilled(data, settings), distilled(data, settings), distilled(data, replace(settings, seed=1))
    for name in ("measured", "final"):
        assert same(getattr(one, name).network, getattr(two, name).network)
    assert not same(one.model, other.model)


def test_the_measured_network_is_distilled_without_the_test_rows(made_table: Table) -> None:
    data = made_table(150, task="regression")
    assert data.test is not None
    inputs = {name: values[::-1].copy() for name, values in data.test.inputs.items()}
    inputs["x"] += 1
    other = replace(data, test=replace(data.test, inputs=inputs, target=-data.test.target))
    one, two = (distilled(given, replace(SETTINGS, epochs=2)) for given in (data, other))
    assert same(one.measured.network, two.measured.network)
    assert not same(one.final.network, two.final.network)


def test_without_other_rows_there_is_one_network(made_table: Table) -> None:
    run = distilled(made_table(150), replace(SETTINGS, epochs=2), all_rows=False)
    assert run.measured is run.final


def test_categories_of_the_test_rows_alone_stay_unknown(unseen_city: tuple[Dataset, Part, Part]) -> None:
    """To the network that is measured, since the rows that it is distilled from have none of them."""
    data, seen, unknown = unseen_city
    run = distilled(data)
    np.testing.assert_allclose(answers(run.measured.network, seen), answers(run.measured.network, unknown), atol=1e-6)
    assert np.abs(answers(run.final.network, seen) - answers(run.final.network, unknown)).max() > 1e-3


def test_it_is_saved_as_a_network_of_one_member_is(made_table: Table, tmp_path: Path) -> None:
    data = made_table(150)
    run = distilled(data, replace(SETTINGS, epochs=2))
    save_checkpoint(run.model, tmp_path / "model.pt")
    loaded = load_checkpoint(tmp_path / "model.pt")
    assert loaded.members == 1
    alone = new_network(data, replace(SETTINGS, members=1))
    assert {name: value.shape for name, value in loaded.state_dict().items()} == {
        name: value.shape for name, value in alone.state_dict().items()
    }
    assert np.array_equal(answers(loaded, data.train), answers(run.model, data.train))


def test_steps_are_told(made_table: Table) -> None:
    told: list[tuple[int, int]] = []
    settings = replace(SETTINGS, epochs=1)
    train(made_table(100), settings, all_rows=True, distill=True, on_distillation=lambda *steps: told.append(steps))
    assert told == [(done, 640) for done in range(16, 641, 16)]


def test_only_several_members_can_be_distilled(made_table: Table) -> None:
    for data, settings in ((four_blobs(0), Settings((5,), epochs=1)), (made_table(60), replace(SETTINGS, members=1))):
        assert not can_be_distilled(new_network(data, settings))
        with pytest.raises(ValueError, match="a network of one member cannot be distilled; train several members"):
            train(data, settings, distill=True)
