"""Rows as tensors: all of them, or in batches with dropout masks."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge_train.dataset import Part
from edge_train.loop.settings import Settings
from edge_train.loop.steps import Batch
from edge_train.networks.base import Network


class Batches:
    """The training rows in batches; the same seed and epoch give the same batches and masks."""

    def __init__(self, rows: Batch, network: Network, settings: Settings) -> None:
        """Make batches of `rows`, as `part_tensors` returns them."""
        self._rows, self._count = rows, len(rows[0])
        self._device = rows[0].device
        self._size = min(settings.batch_size or self._count, self._count)
        self._keep = 1 - settings.dropout
        self._widths = network.dropout_widths if settings.dropout else ()
        self._seed = settings.seed

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return math.ceil(self._count / self._size)

    def epoch(self, epoch: int) -> Iterator[tuple[Batch, float]]:
        """The batches of an epoch, each with the fraction of all rows that it holds.

        A batch is what an `Objective` takes. Its rows are in random order, unless it holds all of them.
        """
        # A generator for each epoch, so that a resumed run draws what an uninterrupted one does.
        random = torch.Generator(self._device).manual_seed(self._seed * 1_000_003 + epoch)
        if self._size == self._count:
            yield [*self._rows, *self._masks(self._count, random)], 1.0
            return
        order = torch.randperm(self._count, generator=random, device=self._device)
        for rows in torch.split(order, self._size):
            batch = [values.index_select(0, rows) for values in self._rows]
            yield [*batch, *self._masks(len(rows), random)], len(rows) / self._count

    def _masks(self, rows: int, random: torch.Generator) -> list[Tensor]:
        return [
            torch.empty(rows, width, device=self._device).bernoulli_(self._keep, generator=random).div_(self._keep)
            for width in self._widths
        ]


def part_tensors(part: Part, network: Network, balanced: bool, device: torch.device) -> list[Tensor]:
    """The rows of `part` as the tensors that an `Objective` takes, without masks.

    Args:
        part: the rows.
        network: its signature gives the order of the inputs.
        balanced: whether to add weights, float32 of shape (rows,), that make all classes count the same.
        device: where the tensors are.
    """
    arrays: list[Any] = [part.inputs[tensor.name] for tensor in network.signature.inputs]
    arrays.append(part.target)
    if balanced:
        _, places, counts = np.unique(part.target, return_inverse=True, return_counts=True)
        arrays.append((len(part) / len(counts) / counts)[places].astype(np.float32))
    return [torch.from_numpy(np.ascontiguousarray(values)).to(device) for values in arrays]
