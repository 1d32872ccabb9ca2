"""The training loop: epochs of recorded steps with early stopping, in one process or several."""

import contextlib
import copy
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edge_train.dataset import DATES, Dataset
from edge_train.errors import TrainingDiverged
from edge_train.loop.batches import Batches, part_tensors
from edge_train.loop.distributed import ProcessGroup
from edge_train.loop.evaluation import objective_loss
from edge_train.loop.optimizers import optimizer_of
from edge_train.loop.progress import Checkpointer, TrainingProgress
from edge_train.loop.settings import EXAMPLE_DEFAULTS, Settings
from edge_train.loop.steps import Batch, DistributedStep, Objective, RecordedStep
from edge_train.networks.base import Network
from edge_train.networks.date_columns import varying
from edge_train.networks.neural_net import NeuralNet
from edge_train.networks.table_net import TableNet

# Without rows to validate, the test rows are evaluated once in so many epochs.
REPORT_EVERY = 100
# From so many multiplications in a step on, torch's threads save more time than they cost.
_MANY_PRODUCTS = 2.0**24
# Changes with the random numbers and the optimizers, whose progress cannot be continued by another version's.
_STEPS = 2


@dataclass(frozen=True)
class TrainingRun:
    """A trained network and how it was trained.

    Attributes:
        model: the network, in evaluation mode on the CPU, with its signature.
        losses: the mean loss on the training rows, by epoch, as its steps found it.
        evaluations: how many epochs were done, and the loss on the validation rows then; without rows to validate,
            every `REPORT_EVERY` epochs on the test rows.
        epoch: how many epochs were done when the weights were those of `model`.
    """

    model: Network
    losses: list[float]
    evaluations: list[tuple[int, float]]
    epoch: int

    def __repr__(self) -> str:
        return f"TrainingRun({self.model!r}, weights of epoch {self.epoch:,} of {len(self.losses):,})"


def train(
    dataset: Dataset,
    settings: Settings = EXAMPLE_DEFAULTS,
    *,
    network: Network | None = None,
    device: str = "cpu",
    group: ProcessGroup | None = None,
    checkpointer: Checkpointer | None = None,
    on_epoch: Callable[[int, float, float | None], None] = lambda epoch, loss, evaluation: None,
) -> TrainingRun:
    """Train a network on `dataset`; the same arguments on the same machine give the same weights, bit by bit.

    Args:
        dataset: the rows to learn from.
        settings: how to train; by default as suits the example.
        network: what to train; by default `new_network(dataset, settings)`.
        device: "cpu", "cuda" or "cuda:N".
        group: the processes that train together, each with the same arguments; by default this one alone.
        checkpointer: keeps the progress, and resumes it.
        on_epoch: called after each epoch with its number from 0, its training loss, and the loss on the validation or
            test rows if they were evaluated after it.

    Raises:
        TrainingDiverged: the loss or the weights became NaN or infinite.
        CannotWrite: the progress cannot be written.
        CheckpointError: the progress to resume is of another run, or damaged.
    """
    network = new_network(dataset, settings) if network is None else network
    # Replayed as it was recorded: TorchScript would otherwise compile it anew after some calls.
    with _threads(network, settings), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        training = _Training(dataset, settings, network, torch.device(device), group or ProcessGroup())
        return training.run(checkpointer, on_epoch)


def new_network(dataset: Dataset, settings: Settings) -> Network:
    """An untrained network as `settings` describe it; torch's random state stays as it was.

    The example's is a `NeuralNet`: two classes, numbers without missing values, one hidden layer, no dropout. All
    others are a `TableNet`, whose preprocessing is set from the training rows.
    """
    network: Network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        signature = dataset.signature
        is_plain = all(feature.kind == "numeric" and feature.missing is None for feature in signature.features)
        is_binary = signature.task == "binary_classification"
        if is_plain and is_binary and len(settings.hidden) == 1 and not settings.dropout:
            network = NeuralNet(len(signature.features), settings.hidden[0])
            network.signature = signature
        else:
            dates = dataset.train.inputs.get(DATES)
            varies = None if dates is None else varying(dates)
            network = TableNet(signature, settings.hidden, smoothing=settings.smoothing, varies=varies)
            network.fit(dataset.train.inputs, dataset.train.target, settings.balanced)
    network.data_sha256 = dataset.training_sha256
    return network


class _Training:
    """One run of the loop.

    The network, the optimizer and `progress` change from epoch to epoch, and nothing else does.
    """

    def __init__(
        self, dataset: Dataset, settings: Settings, network: Network, device: torch.device, group: ProcessGroup
    ) -> None:
        self.dataset, self.settings, self.group = dataset, settings, group
        self.network = network.to(device).train()
        self.batches = Batches(part_tensors(dataset.train, network, settings.balanced, device), network, settings)
        evaluated = dataset.validation or dataset.test
        self.evaluated = None if evaluated is None else part_tensors(evaluated, network, settings.balanced, device)
        self.evaluate_every = 1 if dataset.validation is not None else REPORT_EVERY
        self.patience = None if dataset.validation is None else settings.patience
        self.objective = Objective(network, len(dataset.train.inputs), settings.balanced)
        self.step: Callable[[Batch], Tensor] = (
            RecordedStep(self.objective) if group.size == 1 else DistributedStep(self.objective, group)
        )
        self.optimizer = optimizer_of([one for one in network.parameters() if one.requires_grad], settings)
        self.progress = TrainingProgress()

    def run(
        self, checkpointer: Checkpointer | None, on_epoch: Callable[[int, float, float | None], None]
    ) -> TrainingRun:
        """Train the epochs that are left."""
        # It hashes all rows, which only a run that is kept needs.
        run_sha256 = "" if checkpointer is None else self._sha256()
        earlier = None if checkpointer is None else checkpointer.load(run_sha256)
        if earlier is not None:
            self.progress = earlier
            self.network.load_state_dict(earlier.weights)
            self.optimizer.load_state_dict(earlier.optimizer)
        elif self.evaluated is not None:
            self.progress.evaluations.append((0, objective_loss(self.objective, self.evaluated)))
        progress = self.progress
        while not progress.finished:
            loss, evaluation = self._epoch()
            on_epoch(progress.epoch - 1, loss, evaluation)
            if checkpointer is not None and self.group.leads:
                progress.weights, progress.optimizer = self.network.state_dict(), self.optimizer.state_dict()
                checkpointer.save(run_sha256, progress)
        epoch = progress.epoch
        if progress.best_weights is not None:
            self.network.load_state_dict(progress.best_weights)
            epoch = progress.best_epoch
        return TrainingRun(self.network.cpu().eval(), progress.losses, progress.evaluations, epoch)

    def _epoch(self) -> tuple[float, float | None]:
        """One pass over the training rows; the training loss, and the loss on the evaluated rows if it is due."""
        progress = self.progress
        loss = self._descend(progress.epoch)
        if not math.isfinite(loss):
            raise _diverged(progress.epoch)
        progress.losses.append(loss)
        progress.epoch += 1
        is_last = progress.epoch == self.settings.epochs
        evaluation = None
        if self.evaluated is not None and (is_last or progress.epoch % self.evaluate_every == 0):
            evaluation = self._evaluate(self.evaluated)
        out_of_patience = self.patience is not None and progress.epoch - progress.best_epoch >= self.patience
        progress.finished = is_last or out_of_patience
        if progress.finished and not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            raise _diverged(progress.epoch - 1)
        return loss, evaluation

    def _evaluate(self, rows: Batch) -> float:
        """The loss on other rows than those to train, and whether it is the best so far."""
        progress = self.progress
        loss = self.group.agreed(objective_loss(self.objective, rows))
        if not math.isfinite(loss):
            raise _diverged(progress.epoch - 1)
        progress.evaluations.append((progress.epoch, loss))
        if self.patience is not None and loss < progress.best_loss:
            progress.best_epoch, progress.best_loss = progress.epoch, loss
            progress.best_weights = copy.deepcopy(dict(self.network.state_dict()))
        return loss

    def _descend(self, epoch: int) -> float:
        """The steps of an epoch; their mean loss over the training rows."""
        steps = len(self.batches)
        losses: list[Tensor] = []
        fractions: list[float] = []
        for place, (batch, fraction) in enumerate(self.batches.epoch(epoch)):
            losses.append(self._step(batch, epoch, self._rate(epoch + place / steps)))
            fractions.append(fraction)
        if steps == 1:
            return losses[0].item()
        # Read together: reading each loss would wait for the device at each step.
        return float(np.dot(torch.stack(losses).cpu().double().numpy(), fractions))

    def _rate(self, epoch: float) -> float:
        """The learning rate when so many epochs are done."""
        rate = self.settings.learning_rate
        if self.settings.schedule == "cosine":
            rate *= (1 + math.cos(math.pi * epoch / self.settings.epochs)) / 2
        return rate

    def _step(self, batch: Batch, epoch: int, rate: float) -> Tensor:
        try:
            loss = self.step(batch)
        except RuntimeError as error:
            # torch's cross-entropy refuses probabilities that are NaN in words of its own.
            names = [tensor.name for tensor in self.network.signature.inputs]
            if not self.network(**dict(zip(names, self.batches.inputs, strict=True))).isfinite().all():
                raise _diverged(epoch) from error
            raise
        self.optimizer.step(rate)
        return loss

    def _sha256(self) -> str:
        """The SHA-256 of all that the weights depend on, and of the names that the state_dict carries."""
        dataset, network = self.dataset, self.network
        others = [part.sha256 for part in (dataset.validation, dataset.test) if part is not None]
        shapes = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
        depends_on = (
            _STEPS,
            dataset.training_sha256,
            others,
            dataset.signature.to_json(),
            asdict(self.settings),
            self.group.size,
            type(network).__name__,
            shapes,
            torch.__version__,
        )
        return hashlib.sha256(repr(depends_on).encode()).hexdigest()


def _diverged(epoch: int) -> TrainingDiverged:
    return TrainingDiverged(f"training diverged in epoch {epoch}; try a lower learning rate")


@contextlib.contextmanager
def _threads(network: nn.Module, settings: Settings) -> Iterator[None]:
    """One thread for small networks: it is faster, and gives the same weights on any number of cores."""
    largest = max(parameter.numel() for parameter in network.parameters())
    before = torch.get_num_threads()
    if largest * (settings.batch_size or 1) < _MANY_PRODUCTS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
