"""The training loop: full-batch gradient descent on the binary cross-entropy."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_train.data import Dataset
from edge_train.errors import TrainingDiverged
from edge_train.network import NeuralNet, network_signature

REPORT_EVERY = 100


@dataclass(frozen=True)
class Score:
    """How well a network does on the test rows: mean binary cross-entropy (nats), and the share of right labels."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class TrainingRun:
    """A trained network and how it came about.

    Attributes:
        model: in evaluation mode, with its signature.
        before: the score of the initial weights.
        after: the score of the final weights.
        train_losses: the loss on the training rows in each epoch, before its step.
        test_losses: epoch and loss on the test rows, every `REPORT_EVERY` epochs and at the end.
    """

    model: NeuralNet
    before: Score
    after: Score
    train_losses: list[float]
    test_losses: list[tuple[int, float]]


def train(
    dataset: Dataset,
    *,
    hidden_size: int = 5,
    epochs: int = 2000,
    learning_rate: float = 0.03,
    seed: int = 0,
    standardize: bool = False,
    on_start: Callable[[Score], None] = lambda before: None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> TrainingRun:
    """Train a `NeuralNet` on `dataset`; the same arguments on the same machine give the same weights.

    Args:
        dataset: the rows to learn from and to test with.
        hidden_size: units of the hidden layer.
        epochs: passes over all training rows, one step of gradient descent each.
        learning_rate: of the gradient descent.
        seed: of the initial weights; torch's own random state is left as it was.
        standardize: whether the network first brings features to mean 0 and standard deviation 1.
        on_start: called with the score of the initial weights.
        on_epoch: called with each epoch, from 0, and its training loss.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NeuralNet(dataset.x_train.shape[1], hidden_size, standardize)
    if model.standardize is not None:
        model.standardize.fit(dataset.x_train)
    model.signature = network_signature(dataset.features, dataset.labels)
    model.data_sha256 = dataset.training_sha256
    x_train, y_train = torch.from_numpy(dataset.x_train), torch.from_numpy(dataset.y_train)
    x_test, y_test = torch.from_numpy(dataset.x_test), torch.from_numpy(dataset.y_test)

    criterion = nn.BCELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    train_losses: list[float] = []

    before = evaluate(model, x_test, y_test)
    on_start(before)
    test_losses = [(0, before.loss)]
    model.train()
    for epoch in range(epochs):
        if epoch and epoch % REPORT_EVERY == 0:
            test_losses.append((epoch, evaluate(model, x_test, y_test).loss))
        optimizer.zero_grad()
        probability = model(x_train).squeeze(1)
        if probability.isnan().any():
            raise TrainingDiverged(f"training diverged in epoch {epoch}; try a lower learning rate")
        loss = criterion(probability, y_train)
        loss.backward()
        optimizer.step()
        train_losses.append(loss.item())
        on_epoch(epoch, train_losses[-1])
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise TrainingDiverged("training diverged in the last epoch; try a lower learning rate")
    after = evaluate(model, x_test, y_test)
    test_losses.append((epochs, after.loss))
    return TrainingRun(model.eval(), before, after, train_losses, test_losses)


def evaluate(model: NeuralNet, x: Tensor, y: Tensor) -> Score:
    """The score of `model` on rows `x`, shape (rows, features), of classes `y`, shape (rows,), 0.0 or 1.0."""
    training = model.training
    model.eval()
    with torch.inference_mode():
        probability = model(x).squeeze(1)
    model.train(training)
    if probability.isnan().any():
        raise TrainingDiverged("the weights lead to NaN on the test rows; try a lower learning rate")
    right = model.signature.is_positive(probability) == y
    return Score(nn.functional.binary_cross_entropy(probability, y).item(), right.float().mean().item())
