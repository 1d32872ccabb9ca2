"""The mean loss on rows that are not learned from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edge_train import NeuralNet, Part, TableNet, TrainingDiverged, four_blobs
from edge_train.loop.batches import part_tensors
from edge_train.loop.evaluation import mean_loss, objective_loss
from edge_train.loop.steps import Objective


@pytest.fixture
def network() -> NeuralNet:
    torch.manual_seed(0)
    return NeuralNet(2, 5)


def rows(count: int, rare: float = 0.5) -> Part:
    random = np.random.default_rng(0)
    target = (random.random(count) < rare).astype(np.float32)
    return Part({"x": random.normal(size=(count, 2)).astype(np.float32)}, target)


def expected(network: NeuralNet, part: Part) -> float:
    with torch.inference_mode():
        probability = network(torch.from_numpy(part.inputs["x"])).squeeze(1).double()
        return nn.functional.binary_cross_entropy(probability, torch.from_numpy(part.target).double()).item()


@pytest.mark.parametrize("count", [1, 7, 16_384, 40_000])
def test_the_mean_is_over_all_rows(network: NeuralNet, count: int) -> None:
    part = rows(count)
    assert mean_loss(network, part) == pytest.approx(expected(network, part), rel=1e-5)


def test_balanced_classes_count_the_same(network: NeuralNet) -> None:
    part = rows(400, rare=0.1)
    classes = [
        replace(part, inputs={"x": part.inputs["x"][part.target == label]}, target=part.target[part.target == label])
        for label in (0, 1)
    ]
    means = [expected(network, one) for one in classes]
    assert mean_loss(network, part, balanced=True) == pytest.approx(np.mean(means), rel=1e-5)
    assert mean_loss(network, part) != pytest.approx(np.mean(means), rel=1e-3)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_evaluated_and_left_in_its_mode(network: NeuralNet, training: bool) -> None:
    modes: list[bool] = []
    network.train(training).register_forward_hook(lambda module, *_: modes.append(module.training))
    mean_loss(network, rows(3))
    assert modes == [False]
    assert network.training == training


def test_an_output_that_is_not_a_number(network: NeuralNet) -> None:
    nn.init.constant_(network.linear_2.bias, torch.nan)
    with pytest.raises(TrainingDiverged, match="output is NaN; try a lower learning rate"):
        mean_loss(network, four_blobs(0).train)


def test_of_several_members_it_is_the_mean_of_their_losses() -> None:
    torch.manual_seed(0)
    part, signature = rows(100), four_blobs(0).signature
    network = TableNet(signature, (4,), members=3)
    alone = [mean_loss(network.subset(slice(place, place + 1)), part) for place in range(3)]
    assert mean_loss(network, part) == pytest.approx(np.mean(alone), rel=1e-5)
    assert np.std(alone) > 0.01


@pytest.mark.parametrize("count", [1, 300, 20_000])
def test_rows_at_some_places(network: NeuralNet, count: int) -> None:
    part = rows(30_000)
    places = np.random.default_rng(0).permutation(30_000)[:count]
    tensors = part_tensors(part, network, False, torch.device("cpu"))
    found = objective_loss(Objective(network, 1, False), tensors, torch.from_numpy(places))
    assert found == pytest.approx(mean_loss(network, part.taken(places)), rel=1e-5)
