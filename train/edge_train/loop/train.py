"""The training loop: batches from memory, recorded steps, early stopping; on one process or several."""

import contextlib
import copy
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edge_train.dataset import Dataset, Part
from edge_train.errors import TrainingDiverged
from edge_train.loop.distributed import Group
from edge_train.loop.progress import Checkpointer, Progress
from edge_train.loop.settings import EXAMPLE_DEFAULTS, Settings
from edge_train.loop.steps import Batch, Objective, RecordedStep
from edge_train.networks.base import Network
from edge_train.networks.neural_net import NeuralNet
from edge_train.networks.table_net import TableNet

# Epochs between two looks at the test rows, where there are none to validate with.
REPORT_EVERY = 100
# Rows that a network is evaluated on at once.
_BLOCK = 16_384
# Products in a step from which on torch's threads gain more than they cost.
_MANY_PRODUCTS = 2.0**24


@dataclass(frozen=True)
class TrainingRun:
    """A trained network and how it came about.

    Attributes:
        model: the network, in evaluation mode on the CPU, with its signature.
        losses: the mean loss on the training rows, by epoch, before its steps.
        watched: epochs done and the loss on the validation rows then; every `REPORT_EVERY` epochs on the test rows
            where there are none to validate with.
        epoch: after how many epochs the weights were those of `model`.
    """

    model: Network
    losses: list[float]
    watched: list[tuple[int, float]]
    epoch: int


def train(
    dataset: Dataset,
    settings: Settings = EXAMPLE_DEFAULTS,
    *,
    network: Network | None = None,
    device: str = "cpu",
    group: Group | None = None,
    keeper: Checkpointer | None = None,
    on_epoch: Callable[[int, float, float | None], None] = lambda epoch, loss, watched: None,
) -> TrainingRun:
    """Train a network on `dataset`; the same arguments on the same machine give the same weights, bit by bit.

    Args:
        dataset: the rows to learn from.
        settings: how; as the example is trained by default.
        network: what to train; by default `new_network(dataset, settings)`.
        device: "cpu", "cuda" or "cuda:N".
        group: the processes that train together, each called with the same arguments; this one alone by default.
        keeper: keeps progress, and resumes it.
        on_epoch: called after each epoch with its number from 0, its training loss, and the loss on the watched rows
            where it was computed then.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
        CannotWrite, CheckpointError: of the keeper.
    """
    network = new_network(dataset, settings) if network is None else network
    # As recorded, without what a compiler may make of it after some calls.
    with _threads(network, settings), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        return _Training(dataset, settings, network, torch.device(device), group or Group(), keeper, on_epoch).run()


def new_network(dataset: Dataset, settings: Settings) -> Network:
    """The network that `settings` ask for, untrained; torch's own random state is left as it was.

    The example's is a `NeuralNet`: two classes, numbers without gaps, one hidden layer, no dropout. All others are a
    `TableNet`, which has taken from the training rows what preprocessing needs.
    """
    network: Network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        signature = dataset.signature
        plain = all(feature.kind == "numeric" and feature.missing is None for feature in signature.features)
        if plain and signature.task == "binary_classification" and len(settings.hidden) == 1 and not settings.dropout:
            network = NeuralNet(len(signature.features), settings.hidden[0])
            network.signature = signature
        else:
            network = TableNet(signature, settings.hidden, smoothing=settings.smoothing)
            network.fit(dataset.train.inputs, dataset.train.target, settings.balanced)
    network.data_sha256 = dataset.training_sha256
    return network


def mean_loss(network: Network, part: Part, balanced: bool = False) -> float:
    """The mean loss of `network` on the rows of `part`, in evaluation mode."""
    device = next(network.parameters()).device
    tensors = _tensors(part, network, balanced, device)
    return _mean_loss(Objective(network, len(part.inputs), balanced), tensors)


class _Training:
    """One run of the loop."""

    def __init__(
        self,
        dataset: Dataset,
        settings: Settings,
        network: Network,
        device: torch.device,
        group: Group,
        keeper: Checkpointer | None,
        on_epoch: Callable[[int, float, float | None], None],
    ) -> None:
        self.settings, self.device, self.group = settings, device, group
        self.keeper, self.on_epoch = keeper, on_epoch
        self.network = network.to(device).train()
        self.batch = _tensors(dataset.train, network, settings.balanced, device)
        watched = dataset.validation or dataset.test
        self.watched = None if watched is None else _tensors(watched, network, settings.balanced, device)
        self.watch_every = 1 if dataset.validation is not None else REPORT_EVERY
        self.rows = len(dataset.train)
        self.batch_size = min(settings.batch_size or self.rows, self.rows)
        self.objective = Objective(network, len(dataset.train.inputs), settings.balanced)
        self.step: Callable[[Batch], Tensor] = (
            RecordedStep(self.objective) if group.size == 1 else _DistributedStep(self.objective, group)
        )
        self.optimizer = _optimizer(network, settings)
        # Only who keeps a run has to know it again: all rows are gone through for that.
        self.identity = "" if keeper is None else _identity(dataset, settings, network, group)
        self.progress = Progress()

    def run(self) -> TrainingRun:
        """Go through the epochs that are left."""
        if self.keeper is not None and (earlier := self.keeper.earlier(self.identity)) is not None:
            self.progress = earlier
            self.network.load_state_dict(earlier.weights)
            self.optimizer.load_state_dict(earlier.optimizer)
        elif self.watched is not None:
            self.progress.watched.append((0, _mean_loss(self.objective, self.watched)))
        progress = self.progress
        while not progress.finished:
            self._epoch()
            if self.keeper is not None and self.group.leads:
                progress.weights, progress.optimizer = self.network.state_dict(), self.optimizer.state_dict()
                self.keeper.keep(self.identity, progress)
        epoch = progress.epoch
        if progress.best_weights is not None:
            self.network.load_state_dict(progress.best_weights)
            epoch = progress.best_epoch
        return TrainingRun(self.network.cpu().eval(), progress.losses, progress.watched, epoch)

    def _epoch(self) -> None:
        progress, settings = self.progress, self.settings
        epoch = progress.epoch
        loss = self._descend(epoch)
        if not math.isfinite(loss):
            raise TrainingDiverged(f"training diverged in epoch {epoch}; try a lower learning rate")
        progress.losses.append(loss)
        progress.epoch += 1
        last = progress.epoch == settings.epochs
        found = None
        if self.watched is not None and (last or progress.epoch % self.watch_every == 0):
            found = self.group.agreed(_mean_loss(self.objective, self.watched))
            if not math.isfinite(found):
                raise TrainingDiverged(f"the loss on other rows diverged in epoch {epoch}; try a lower learning rate")
            progress.watched.append((progress.epoch, found))
            if settings.patience is not None and found < progress.best_loss:
                progress.best_epoch, progress.best_loss = progress.epoch, found
                progress.best_weights = copy.deepcopy(dict(self.network.state_dict()))
        tired = settings.patience is not None and progress.epoch - progress.best_epoch >= settings.patience
        if (last or tired) and not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            raise TrainingDiverged("training diverged in the last epoch; try a lower learning rate")
        progress.finished = last or tired
        self.on_epoch(epoch, loss, found)

    def _descend(self, epoch: int) -> float:
        """One pass over the training rows; gives their mean loss."""
        whole = self.batch_size == self.rows
        # Of the epoch alone, so that a resumed run draws what an unbroken one does.
        random = torch.Generator(self.device).manual_seed(self.settings.seed * 1_000_003 + epoch)
        order = None if whole else torch.randperm(self.rows, generator=random, device=self.device)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        steps = math.ceil(self.rows / self.batch_size)
        for place in range(steps):
            rows = None if order is None else order[place * self.batch_size : (place + 1) * self.batch_size]
            batch = self.batch if rows is None else [values.index_select(0, rows) for values in self.batch]
            if self.settings.schedule == "cosine":
                share = (epoch + place / steps) / self.settings.epochs
                for parameters in self.optimizer.param_groups:
                    parameters["lr"] = self.settings.learning_rate * (1 + math.cos(math.pi * share)) / 2
            loss = self._stepped([*batch, *self._masks(len(batch[0]), random)], epoch)
            if whole:
                return loss.item()
            total += loss * (len(batch[0]) / self.rows)
        return total.item()

    def _stepped(self, batch: Batch, epoch: int) -> Tensor:
        try:
            loss = self.step(batch)
        except RuntimeError as error:
            # torch's cross-entropy refuses probabilities that are NaN in words of its own.
            if not self.network(*batch[: len(self.network.signature.inputs)]).isfinite().all():
                raise TrainingDiverged(f"training diverged in epoch {epoch}; try a lower learning rate") from error
            raise
        self.optimizer.step()
        return loss

    def _masks(self, rows: int, random: torch.Generator) -> list[Tensor]:
        kept = 1 - self.settings.dropout
        if kept == 1:
            return []
        return [
            torch.empty(rows, width, device=self.device).bernoulli_(kept, generator=random).div_(kept)
            for width in self.network.dropout_widths
        ]


class _DistributedStep:
    """A step of several processes: each takes its share of the rows, and all end with the gradient of all of them."""

    def __init__(self, objective: Objective, group: Group) -> None:
        self._wrapped = DistributedDataParallel(objective)
        self._group = group

    def __call__(self, batch: Batch) -> Tensor:
        rows, group = len(batch[0]), self._group
        mine = [values[group.rank :: group.size] for values in batch]
        # Torch takes the mean over processes; of a process without rows, a row that counts nothing.
        share = len(mine[0]) * group.size / rows
        self._wrapped.zero_grad()
        loss: Tensor = self._wrapped(*(mine if share else [values[:1] for values in batch])) * share
        loss.backward()  # type: ignore[no-untyped-call]
        total = loss.detach() / group.size
        torch.distributed.all_reduce(total)
        return total


def _identity(dataset: Dataset, settings: Settings, network: Network, group: Group) -> str:
    """The SHA-256 of all that the weights depend on, and the names that ride along with them."""
    watched = [part.sha256 for part in (dataset.validation, dataset.test) if part is not None]
    shapes = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
    run = (dataset.training_sha256, watched, dataset.signature, asdict(settings), group.size, shapes)
    return hashlib.sha256(repr((*run, torch.__version__)).encode()).hexdigest()


def _optimizer(network: Network, settings: Settings) -> torch.optim.Optimizer:
    if settings.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def _tensors(part: Part, network: Network, balanced: bool, device: torch.device) -> list[Tensor]:
    """The rows of `part` as the tensors that `Objective` takes, on `device`."""
    arrays: list[Any] = [part.inputs[tensor.name] for tensor in network.signature.inputs]
    arrays.append(part.target)
    if balanced:
        _, places, counts = np.unique(part.target, return_inverse=True, return_counts=True)
        arrays.append((len(part) / len(counts) / counts)[places].astype(np.float32))
    return [torch.from_numpy(np.ascontiguousarray(values)).to(device) for values in arrays]


def _mean_loss(objective: Objective, tensors: list[Tensor]) -> float:
    rows, total = len(tensors[0]), 0.0
    training = objective.network.training
    objective.network.eval()
    with torch.inference_mode():
        for start in range(0, rows, _BLOCK):
            block = [values[start : start + _BLOCK] for values in tensors]
            try:
                total += objective(*block).item() * (len(block[0]) / rows)
            except RuntimeError as error:
                raise TrainingDiverged("the weights lead to NaN; try a lower learning rate") from error
    objective.network.train(training)
    return total


@contextlib.contextmanager
def _threads(network: nn.Module, settings: Settings) -> Iterator[None]:
    """One thread for networks so small that more cost time, which gives the same weights with any number of cores."""
    largest = max(parameter.numel() for parameter in network.parameters())
    before = torch.get_num_threads()
    if largest * (settings.batch_size or 1) < _MANY_PRODUCTS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
