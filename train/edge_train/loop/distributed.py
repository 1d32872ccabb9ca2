"""Several processes that train one network together, as torchrun starts them."""

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import distributed

from edge_train.loop import torchrun


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that train one network together.

    Attributes:
        rank: its number, from 0; process 0 alone writes and prints.
        size: how many processes there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def agreed(self, value: float) -> float:
        """The `value` of the leading process, in all processes."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]


@contextlib.contextmanager
def join_torchrun_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started with this one, while the context lasts.

    Without torchrun it is a group of one. Gloo connects processes on CPUs, NCCL those on GPUs.

    Args:
        device: what this process computes on.
    """
    if torchrun.world_size() == 1:
        yield ProcessGroup()
        return
    # Functions in there have the group of that moment as a default argument. DistributedDataParallel imports it: after
    # init_process_group the group would never end, and Gloo's threads could abort the process at its exit.
    import torch.distributed.nn

    backend = "gloo"
    if device.type == "cuda":
        backend = "nccl"
        torch.cuda.set_device(device)
    # Long, since one process may read a large table more slowly than the others.
    distributed.init_process_group(backend, timeout=datetime.timedelta(hours=1))
    try:
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
