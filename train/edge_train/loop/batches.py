"""Rows as tensors: all of them, or in batches with dropout masks, which are made ahead of the steps."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge_train.dataset import Part
from edge_train.loop.masks import Masks
from edge_train.loop.settings import Settings
from edge_train.loop.steps import Batch
from edge_train.networks.base import Network

# So many rows are taken out of the table at once: many for the calls to cost little, few enough to stay in the cache.
_CHUNK = 4096


class Batches:
    """The training rows in batches; the same seed and epoch give the same batches and masks.

    Attributes:
        inputs: the network's inputs for all rows, as they are in the table.
    """

    def __init__(self, rows: Batch, network: Network, settings: Settings, learned: Tensor | None = None) -> None:
        """Make batches of rows.

        Args:
            rows: as `part_tensors` returns them.
            network: what prepares them.
            settings: how to train.
            learned: which member learns from which row, bool of shape (rows, members); by default all from all.
        """
        count = len(network.signature.inputs)
        self.inputs, self._answers = tuple(rows[:count]), list(rows[count:])
        self._network, self._count = network, len(rows[0])
        self._device = rows[0].device
        self._learned = learned
        # The rows that a member learns from have the mean weight 1.
        self._scale = None if learned is None else learned.float().mean(0).reciprocal()
        self._size = min(settings.batch_size or self._count, self._count)
        self._widths = network.dropout_widths if settings.dropout else ()
        self._dropout, self._seed = settings.dropout, settings.seed
        self._whole = self._batch(None) if self._size == self._count else None

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return math.ceil(self._count / self._size)

    def epoch(self, epoch: int) -> Iterator[tuple[Batch, float]]:
        """The batches of an epoch, each with the fraction of all rows that it holds.

        A batch is what an `Objective` takes. Its rows are in random order, unless it holds all of them.
        """
        # Random numbers of their own for each epoch, so that a resumed run draws what an uninterrupted one does.
        seed = self._seed * 1_000_003 + epoch
        masks = Masks(self._widths, self._dropout, seed)
        if self._whole is not None:
            yield [*self._whole, *masks.draw(self._count, self._device)], 1.0
            return
        random = torch.Generator(self._device).manual_seed(seed)
        order = torch.randperm(self._count, generator=random, device=self._device)
        chunks = torch.split(order, max(1, _CHUNK // self._size) * self._size)
        if len(chunks) == 1 or self._device.type != "cpu":
            for rows in chunks:
                yield from self._batches(rows, masks)
            return
        # While the steps of one chunk are computed, another processor takes out the next.
        with ThreadPoolExecutor(1) as worker:
            ahead = worker.submit(self._batches, chunks[0], masks)
            for place in range(len(chunks)):
                batches = ahead.result()
                if place + 1 < len(chunks):
                    ahead = worker.submit(self._batches, chunks[place + 1], masks)
                yield from batches

    def _batches(self, rows: Tensor, masks: Masks) -> list[tuple[Batch, float]]:
        """The batches of the rows with these numbers."""
        tensors = [*self._batch(rows), *masks.draw(len(rows), self._device)]
        batches = zip(*(torch.split(values, self._size) for values in tensors), strict=True)
        return [(batch, len(batch[0]) / self._count) for batch in batches]

    def _batch(self, rows: Tensor | None) -> list[Tensor]:
        """What an `Objective` takes of the rows with these numbers, or of all, without masks."""

        def taken(values: Tensor) -> Tensor:
            return values if rows is None else values.index_select(0, rows)

        with torch.no_grad():
            inputs = self._network.prepare(tuple(map(taken, self.inputs)))
        answers = list(map(taken, self._answers))
        if self._learned is not None and self._scale is not None:
            target, *weight = answers
            learned = taken(self._learned) * self._scale
            answers = [target, learned * weight[0][:, None] if weight else learned]
        return [*inputs, *answers]


def part_tensors(
    part: Part, network: Network, balanced: bool, device: torch.device, counted: int | None = None
) -> list[Tensor]:
    """The rows of `part` as tensors: the inputs of `network`, the target, and the weights if `balanced`.

    Args:
        part: the rows.
        network: its signature gives the order of the inputs.
        balanced: whether to add weights, float32 of shape (rows,), that make all classes count the same.
        device: where the tensors are.
        counted: how many of the rows, the first ones, tell how many rows each class has; by default all.
    """
    arrays: list[Any] = [part.inputs[tensor.name] for tensor in network.signature.inputs]
    arrays.append(part.target)
    if balanced:
        classes, counts = np.unique(part.target[:counted], return_counts=True)
        weights = counts.sum() / len(counts) / counts
        arrays.append(weights[np.searchsorted(classes, part.target)].astype(np.float32))
    return [torch.from_numpy(np.ascontiguousarray(values)).to(device) for values in arrays]
