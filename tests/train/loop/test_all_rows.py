"""Members that learn from the test rows too, beside those that are measured on them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from edge_train import Dataset, Network, Part, Settings, TableNet, four_blobs, new_network, train
from edge_train.loop.settings import EXAMPLE_DEFAULTS
from edge_train.networks.answers import answers

Table = Callable[..., Dataset]
SETTINGS = Settings((8,), members=3, validation=0.2, dropout=0.1, optimizer="adamw", learning_rate=1e-2, batch_size=40)
QUICK = replace(SETTINGS, epochs=4)


def same(one: Network, other: Network) -> bool:
    values = other.state_dict()
    return all(torch.equal(value, values[name]) for name, value in one.state_dict().items())


def with_other_targets(data: Dataset) -> Dataset:
    """The same rows to train, and to test the same rows with each other's targets."""
    assert data.test is not None
    return replace(data, test=replace(data.test, target=data.test.target[::-1].copy()))


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_measured_members_never_learn_from_the_test_rows(made_table: Table, task: str, balanced: bool) -> None:
    if balanced and task == "regression":
        pytest.skip("values have no classes")
    data, settings = made_table(200, task=task), replace(QUICK, balanced=balanced)
    assert data.test is not None
    test = data.test
    target = (test.target.max() - test.target) if task != "regression" else test.target * -3
    other = replace(data, test=replace(test, target=target.astype(test.target.dtype)))
    one, two = (train(given, settings, all_rows=True) for given in (data, other))
    assert same(one.measured.network, two.measured.network)
    assert not same(one.final.network, two.final.network)
    assert one.evaluations == two.evaluations
    assert one.measured.sharpness == two.measured.sharpness
    assert one.losses != two.losses


@pytest.mark.parametrize("patience", [None, 2])
def test_the_epoch_that_is_taken_is_told_by_the_measured_members(made_table: Table, patience: int | None) -> None:
    data = made_table(120, task="regression")
    settings = replace(SETTINGS, hidden=(64, 64), epochs=40, patience=patience, schedule="anneal")
    one, two = train(data, settings, all_rows=True), train(with_other_targets(data), settings, all_rows=True)
    assert (one.epoch, one.evaluations) == (two.epoch, two.evaluations)
    assert same(one.measured.network, two.measured.network)
    assert not same(one.final.network, two.final.network)


@pytest.mark.parametrize("members", [1, 3])
def test_final_and_measured_are_networks_of_their_own(made_table: Table, members: int) -> None:
    data, settings = made_table(150), replace(QUICK, members=members)
    assert data.test is not None
    run = train(data, settings, all_rows=True)
    measured, final = run.measured.network, run.final.network
    assert run.model is final is not measured
    for network in (measured, final):
        assert isinstance(network, TableNet)
        assert network.members == members
        assert not network.training
        assert network.signature == data.signature
    assert measured.data_sha256 == data.training_sha256
    assert final.data_sha256 == data.train.joined(data.test).sha256
    assert not same(measured, final)
    # They share no memory: what becomes of one does not become of the other.
    before = answers(measured, data.test)
    with torch.no_grad():
        for parameter in final.parameters():
            parameter.zero_()
    assert np.array_equal(answers(measured, data.test), before)
    assert sum(parameter.untyped_storage().nbytes() for parameter in measured.parameters()) == sum(
        4 * parameter.numel() for parameter in measured.parameters()
    )


def test_each_network_is_calibrated_on_rows_that_its_members_held_out(made_table: Table) -> None:
    data = made_table(200)
    assert data.test is not None
    run = train(data, replace(QUICK, validation=1 / 3), all_rows=True)
    for trained, rows in ((run.measured, data.train), (run.final, data.train.joined(data.test))):
        assert trained.held_out is not None
        assert trained.sharpness is not None
        assert len(trained.held_out.target) == len(rows)
        assert sorted(trained.held_out.target) == sorted(rows.target)


def test_both_begin_with_the_same_weights(made_table: Table) -> None:
    data = made_table(150)
    network = new_network(data, QUICK)
    assert isinstance(network, TableNet)
    run = train(data, replace(QUICK, learning_rate=1e-30, weight_decay=0.0, epochs=1), network=network, all_rows=True)
    for one in (run.measured, run.final):
        assert one.sharpness is not None
        assert isinstance(one.network, TableNet)
        one.network.sharpen(1 / one.sharpness)
        for name, parameter in one.network.named_parameters():
            torch.testing.assert_close(parameter, network.get_parameter(name))


def test_without_other_rows_there_is_one_network(made_table: Table) -> None:
    alone = train(replace(made_table(100), test=None), QUICK, all_rows=True)
    assert alone.measured is alone.final
    example = train(four_blobs(0), replace(EXAMPLE_DEFAULTS, epochs=3), all_rows=True)
    assert example.measured is example.final
    assert example.losses == train(four_blobs(0), replace(EXAMPLE_DEFAULTS, epochs=3)).losses


def test_categories_of_the_test_rows_alone_are_unknown_to_the_measured_network(
    unseen_city: tuple[Dataset, Part, Part],
) -> None:
    """The final network knows them."""
    data, seen, unknown = unseen_city
    run = train(data, replace(QUICK, epochs=10), all_rows=True)
    np.testing.assert_allclose(answers(run.measured.network, seen), answers(run.measured.network, unknown), atol=1e-6)
    assert np.abs(answers(run.final.network, seen) - answers(run.final.network, unknown)).max() > 1e-3
