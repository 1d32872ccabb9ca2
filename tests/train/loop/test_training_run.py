"""What a run ends with."""

import torch

from edge_train import NeuralNet, TrainingRun
from edge_train.loop.held_out import Trained


def test_the_model_is_the_final_network() -> None:
    final, measured = NeuralNet(2, 5), NeuralNet(2, 5)
    run = TrainingRun(Trained(final), Trained(measured), [0.5] * 1200, [(0, 0.7)], 1150, True)
    assert run.model is final


def test_in_one_line() -> None:
    torch.manual_seed(0)
    trained = Trained(NeuralNet(2, 5))
    assert repr(TrainingRun(trained, trained, [0.5] * 1200, [(0, 0.7)], 1150, False)) == (
        "TrainingRun(NeuralNet(binary_classification, 2 features, 21 parameters), weights of epoch 1,150 of 1,200)"
    )
