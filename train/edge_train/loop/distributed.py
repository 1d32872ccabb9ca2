"""Several processes that train one network together, as torchrun starts them."""

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Group:
    """This process among those that train together.

    Attributes:
        rank: its place, from 0, which alone writes and prints.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def agreed(self, value: float) -> float:
        """`value` as the leading process has it."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]


def local_rank() -> int:
    """The place of this process among those on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group that torchrun started this process in, for the while; a group of one if it did not.

    Gloo connects processes on CPUs, NCCL those on GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Group()
        return
    backend = "gloo"
    if device.type == "cuda":
        backend = "nccl"
        torch.cuda.set_device(device)
    # Long: one that reads a large table more slowly than the others is no failure.
    distributed.init_process_group(backend, timeout=datetime.timedelta(hours=1))
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
