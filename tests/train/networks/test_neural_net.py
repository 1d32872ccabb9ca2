"""The example's network, against its formula."""

import numpy as np
import pytest
import torch

from edge_runtime import Feature
from edge_train import NeuralNet
from edge_train.networks.neural_net import network_signature


@pytest.fixture
def network() -> NeuralNet:
    torch.manual_seed(3)
    return NeuralNet(3, 7)


def formula(network: NeuralNet, x: np.ndarray) -> np.ndarray:
    weight_1, bias_1, weight_2, bias_2 = (value.double().numpy() for value in network.state_dict().values())
    hidden = np.maximum(x @ weight_1.T + bias_1, 0)
    probability: np.ndarray = 1 / (1 + np.exp(-(hidden @ weight_2.T + bias_2)))
    return probability


def test_linear_relu_linear_sigmoid(network: NeuralNet) -> None:
    x = np.random.default_rng(0).normal(scale=3, size=(50, 3)).astype(np.float32)
    found = network(torch.from_numpy(x))
    assert (found.shape, found.dtype) == ((50, 1), torch.float32)
    np.testing.assert_allclose(found.detach(), formula(network, x), rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_the_cross_entropy(network: NeuralNet, weighted: bool) -> None:
    random = np.random.default_rng(1)
    x, target = random.normal(size=(20, 3)).astype(np.float32), random.integers(0, 2, 20).astype(np.float32)
    weight = random.uniform(0.5, 2, 20).astype(np.float32) if weighted else np.ones(20, np.float32)
    probability = formula(network, x)[:, 0]
    expected = -(weight * (target * np.log(probability) + (1 - target) * np.log(1 - probability))).mean()
    given = torch.from_numpy(weight) if weighted else None
    found = network.loss((torch.from_numpy(x),), torch.from_numpy(target), given, ())
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_names_by_default() -> None:
    signature = NeuralNet(2, 5).signature
    assert signature == network_signature((Feature("x1"), Feature("x2")), (0, 1))
    assert (signature.inputs[0].name, signature.output, signature.task) == (
        "x",
        "probability",
        "binary_classification",
    )


def test_in_one_line(network: NeuralNet) -> None:
    assert repr(network) == "NeuralNet(binary_classification, 3 features, 36 parameters)"
