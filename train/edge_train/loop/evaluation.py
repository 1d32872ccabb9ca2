"""The loss of a network on rows that it does not learn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edge_train.dataset import Dataset, Part
from edge_train.errors import TrainingDiverged
from edge_train.loop.batches import part_tensors
from edge_train.loop.division import Division
from edge_train.loop.steps import Batch, Objective
from edge_train.networks.base import Network
from edge_train.networks.members import members_of

# Rows whose loss is computed at once.
_BLOCK = 16_384


def mean_loss(network: Network, part: Part, balanced: bool = False) -> float:
    """The mean loss of `network` on the rows of `part`, in evaluation mode.

    Args:
        network: on any device.
        part: the rows.
        balanced: whether all classes count the same, however many rows they have.

    Raises:
        TrainingDiverged: the network's output is NaN.
    """
    device = next(network.parameters()).device
    rows = part_tensors(part, network, balanced, device)
    return objective_loss(Objective(network, len(part.inputs), balanced), rows)


def objective_loss(objective: Objective, rows: Batch, places: Tensor | None = None) -> float:
    """The same for rows that are tensors, as `part_tensors` returns them.

    Args:
        objective: of the network.
        rows: the tensors.
        places: those of the rows to take, int64; by default all.
    """
    places = torch.arange(len(rows[0]), device=rows[0].device) if places is None else places
    total = 0.0
    was_training = objective.network.training
    objective.network.eval()
    inputs = len(objective.network.signature.inputs)
    with torch.inference_mode():
        for some in torch.split(places, _BLOCK):
            block = [values.index_select(0, some) for values in rows]
            try:
                prepared = objective.network.prepare(tuple(block[:inputs]))
                loss = objective(*prepared, *block[inputs:]).item() / objective.network.members
            except RuntimeError as error:
                # torch's cross-entropy refuses probabilities that are NaN.
                raise TrainingDiverged("the network's output is NaN; try a lower learning rate") from error
            total += loss * (len(some) / len(places))
    objective.network.train(was_training)
    return total


@dataclass(frozen=True)
class Evaluation:
    """A network and rows that it has not learned from.

    Attributes:
        objective: of the network.
        rows: tensors, as `part_tensors` returns them.
        places: those of the rows to take, int64.
    """

    objective: Objective
    rows: Batch
    places: Tensor


def evaluations(
    network: Network, dataset: Dataset, division: Division, rows: Batch, balanced: bool
) -> list[Evaluation]:
    """What is evaluated between epochs: each measured member on the rows that it holds out, or all on the test rows.

    Args:
        network: with all members; what is returned changes with it.
        dataset: the rows.
        division: of the rows.
        rows: those of the division as tensors.
        balanced: whether all classes count the same, however many rows they have.
    """
    inputs, device = len(dataset.train.inputs), rows[0].device
    if held_out := division.held_out:
        objectives = [
            Objective(members_of(network, slice(member, member + 1)), inputs, balanced)
            for member in range(len(held_out))
        ]
        pairs = zip(objectives, held_out, strict=True)
        return [Evaluation(one, rows, torch.from_numpy(places).to(device)) for one, places in pairs if len(places)]
    if dataset.test is None:
        return []
    test = part_tensors(dataset.test, network, balanced, device)
    objective = Objective(members_of(network, slice(division.measured)), inputs, balanced)
    return [Evaluation(objective, test, torch.arange(len(test[0]), device=device))]


def mean_evaluation(evaluations: Sequence[Evaluation]) -> float:
    """The mean loss over the rows of all of them."""
    losses = [objective_loss(one.objective, one.rows, one.places) for one in evaluations]
    return float(np.average(losses, weights=[len(one.places) for one in evaluations]))
