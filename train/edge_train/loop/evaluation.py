"""The loss of a network on rows that it does not learn from."""

import torch

from edge_train.dataset import Part
from edge_train.errors import TrainingDiverged
from edge_train.loop.batches import part_tensors
from edge_train.loop.steps import Batch, Objective
from edge_train.networks.base import Network

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


def objective_loss(objective: Objective, rows: Batch) -> float:
    """The same for rows that are tensors, as `part_tensors` returns them."""
    count, total = len(rows[0]), 0.0
    was_training = objective.network.training
    objective.network.eval()
    inputs = len(objective.network.signature.inputs)
    with torch.inference_mode():
        for start in range(0, count, _BLOCK):
            block = [values[start : start + _BLOCK] for values in rows]
            try:
                prepared = objective.network.prepare(tuple(block[:inputs]))
                total += objective(*prepared, *block[inputs:]).item() * (len(block[0]) / count)
            except RuntimeError as error:
                # torch's cross-entropy refuses probabilities that are NaN.
                raise TrainingDiverged("the network's output is NaN; try a lower learning rate") from error
    objective.network.train(was_training)
    return total
