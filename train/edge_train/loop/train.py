"""The training loop: epochs of recorded steps with early stopping, in one process or several."""

import contextlib
import copy
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from edge_train.dataset import Dataset
from edge_train.errors import TrainingDiverged
from edge_train.loop.batches import Batches, part_tensors
from edge_train.loop.distillation import can_be_distilled, distilled
from edge_train.loop.distributed import ProcessGroup
from edge_train.loop.division import divided
from edge_train.loop.evaluation import evaluations, mean_evaluation
from edge_train.loop.held_out import results
from edge_train.loop.new_network import new_network
from edge_train.loop.optimizers import optimizer_of
from edge_train.loop.progress import Checkpointer, TrainingProgress
from edge_train.loop.schedule import begin_to_anneal, is_out_of_patience, is_time_to_anneal, learning_rate
from edge_train.loop.settings import EXAMPLE_DEFAULTS, Settings
from edge_train.loop.steps import Batch, DistributedStep, Objective, RecordedStep
from edge_train.loop.training_run import TrainingRun
from edge_train.networks.answers import named_outputs
from edge_train.networks.base import Network
from edge_train.networks.table_net import TableNet

# Without rows that are held out, the test rows are evaluated once in so many epochs.
REPORT_EVERY = 100
# From so many multiplications in a step on, torch's threads save more time than they cost.
_MANY_PRODUCTS = 2.0**24
# Changes with the random numbers and the optimizers, whose progress cannot be continued by another version's.
_STEPS = 3


def train(
    dataset: Dataset,
    settings: Settings = EXAMPLE_DEFAULTS,
    *,
    network: Network | None = None,
    all_rows: bool = False,
    distill: bool = False,
    device: str = "cpu",
    group: ProcessGroup | None = None,
    checkpointer: Checkpointer | None = None,
    on_epoch: Callable[[int, float, float | None], None] = lambda epoch, loss, evaluation: None,
    on_distillation: Callable[[int, int], None] = lambda done, steps: None,
) -> TrainingRun:
    """Train a network on `dataset`; the same arguments on the same machine give the same weights, bit by bit.

    Args:
        dataset: the rows to learn from.
        settings: how to train; by default as suits the example.
        network: what to train; by default `new_network(dataset, settings)`.
        all_rows: whether the test rows are learned from too. Beside the members that leave them out, and that are to be
            measured on them, as many others learn from all rows, for as many epochs.
        distill: whether the members are distilled into one in the end, see `edge_train.loop.distillation`. Each process
            of a group does it for itself, with the same result; a resumed run does it from the start.
        device: "cpu", "cuda" or "cuda:N".
        group: the processes that train together, each with the same arguments; by default this one alone.
        checkpointer: keeps the progress, and resumes it.
        on_epoch: called after each epoch with its number from 0, its training loss, and the validation loss, or that on
            the test rows, if it was found after it.
        on_distillation: called now and then with how many steps of the distillation are done, and how many it has.

    Raises:
        ValueError: a network without several members is to be distilled.
        TrainingDiverged: the loss or the weights became NaN or infinite.
        CannotWrite: the progress cannot be written.
        CheckpointError: the progress to resume is of another run, or damaged.
    """
    network = new_network(dataset, settings) if network is None else network
    if distill and not can_be_distilled(network):
        raise ValueError("a network of one member cannot be distilled; train several members")
    # Replayed as it was recorded: TorchScript would otherwise compile it anew after some calls.
    with _threads(network, settings), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        training = _Training(dataset, settings, network, all_rows, torch.device(device), group or ProcessGroup())
        run = training.run(checkpointer, on_epoch)
        if distill:
            both = run.measured, run.final
            measured, final = distilled(
                *both, training.division, seed=settings.seed, device=training.device, on_step=on_distillation
            )
            run = replace(run, measured=measured, final=final)
        return run


class _Training:
    """One run of the loop.

    The network, the optimizer and `progress` change from epoch to epoch, and nothing else does.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: Settings,
        network: Network,
        all_rows: bool,
        device: torch.device,
        group: ProcessGroup,
    ) -> None:
        self.dataset, self.settings, self.group, self.device = dataset, settings, group, device
        all_rows = all_rows and isinstance(network, TableNet)
        self.division = divided(dataset, settings, network.members, all_rows)
        if len(self.division.groups) > 1:
            network = cast(TableNet, network).repeated(len(self.division.groups))
        self.network = network.to(device).train()
        rows = part_tensors(self.division.rows, network, settings.balanced, device, self.division.training)
        self.evaluations = evaluations(network, dataset, self.division, rows, settings.balanced)
        self.is_validated = bool(self.division.held_out)
        self.evaluate_every = 1 if self.is_validated else REPORT_EVERY
        self.patience = settings.patience if self.is_validated else None
        learned = torch.from_numpy(self.division.learned).to(device)
        # Which rows are dropped would depend on the test rows, if those are learned from.
        if len(self.division.groups) == 1 and not (by_some := learned.any(1)).all():
            rows, learned = [values[by_some] for values in rows], learned[by_some]
        by_all = bool(learned.all())
        self.batches = Batches(rows, network, settings, None if by_all else learned)
        self.objective = Objective(network, len(dataset.train.inputs), settings.balanced or not by_all)
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
        run_sha256, earlier = "", None
        if checkpointer is not None:
            run_sha256 = _sha256(self.dataset, self.settings, self.network, self.group.size)
            earlier = checkpointer.load(run_sha256)
        if earlier is not None:
            self.progress = earlier
            self.network.load_state_dict(earlier.weights)
            self.optimizer.load_state_dict(earlier.optimizer)
        elif self.evaluations:
            self.progress.evaluations.append((0, mean_evaluation(self.evaluations)))
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
        self.network.cpu().eval()
        measured, final = results(self.network, self.division, self.settings.balanced, self.dataset.test)
        return TrainingRun(final, measured, progress.losses, progress.evaluations, epoch, self.is_validated)

    def _epoch(self) -> tuple[float, float | None]:
        """One pass over the training rows; the training loss, and the loss on the evaluated rows if it is due."""
        progress = self.progress
        if is_time_to_anneal(progress, self.settings, self.patience):
            begin_to_anneal(progress, self.settings)
            if progress.best_weights is not None:
                self.network.load_state_dict(progress.best_weights)
        loss = self._descend(progress.epoch)
        if not math.isfinite(loss):
            raise _diverged(progress.epoch)
        progress.losses.append(loss)
        progress.epoch += 1
        last = self.settings.epochs if progress.annealing is None else progress.annealing[1]
        is_last = progress.epoch == last
        evaluation = None
        if self.evaluations and (is_last or progress.epoch % self.evaluate_every == 0):
            evaluation = self._evaluate()
        is_annealed = self.settings.schedule == "anneal"
        progress.finished = is_last or (not is_annealed and is_out_of_patience(progress, self.patience))
        if progress.finished and not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            raise _diverged(progress.epoch - 1)
        return loss, evaluation

    def _evaluate(self) -> float:
        """The loss on other rows than those to train, and whether it is the best so far."""
        progress = self.progress
        loss = self.group.agreed(mean_evaluation(self.evaluations))
        if not math.isfinite(loss):
            raise _diverged(progress.epoch - 1)
        progress.evaluations.append((progress.epoch, loss))
        if self.patience is not None and loss < progress.best_loss:
            progress.best_epoch, progress.best_loss = progress.epoch, loss
            progress.best_weights = copy.deepcopy(dict(self.network.state_dict()))
        return loss

    def _descend(self, epoch: int) -> float:
        """The steps of an epoch; their mean loss over the training rows."""
        steps, progress = len(self.batches), self.progress
        losses: list[Tensor] = []
        fractions: list[float] = []
        for place, (batch, fraction) in enumerate(self.batches.epoch(epoch)):
            losses.append(self._step(batch, epoch, learning_rate(epoch + place / steps, progress, self.settings)))
            fractions.append(fraction)
        members = self.network.members
        if steps == 1:
            return losses[0].item() / members
        # Read together: reading each loss would wait for the device at each step.
        return float(np.dot(torch.stack(losses).cpu().double().numpy(), fractions)) / members

    def _step(self, batch: Batch, epoch: int, rate: float) -> Tensor:
        try:
            loss = self.step(batch)
        except RuntimeError as error:
            # torch's cross-entropy refuses probabilities that are NaN in words of its own.
            names = [tensor.name for tensor in self.network.signature.inputs]
            found = named_outputs(self.network, dict(zip(names, self.batches.inputs, strict=True)))
            if not all(values.isfinite().all() for values in found.values()):
                raise _diverged(epoch) from error
            raise
        self.optimizer.step(rate)
        return loss


def _sha256(dataset: Dataset, settings: Settings, network: Network, processes: int) -> str:
    """The SHA-256 of all that the weights depend on, and of the names that the state_dict carries."""
    depends_on = (
        _STEPS,
        dataset.training_sha256,
        None if dataset.test is None else dataset.test.sha256,
        dataset.signature.to_json(),
        asdict(settings),
        processes,
        type(network).__name__,
        [(name, tuple(value.shape)) for name, value in network.state_dict().items()],
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
