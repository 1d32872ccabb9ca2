"""Loss and gradients of a batch: replayed from a recording of torch's autograd, or computed by several processes."""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from edge_train.loop.distributed import ProcessGroup
from edge_train.loop.recorder import Recorder
from edge_train.networks.base import Network

# The tensors that an `Objective` takes, each with the rows along its first axis.
Batch = Sequence[Tensor]


class Objective(nn.Module):
    """The loss of a network as a module of a flat list of tensors, which autograd and DistributedDataParallel take."""

    def __init__(self, network: Network, inputs: int, weighted: bool) -> None:
        """Take batches of `inputs` prepared inputs, a target, a weight if `weighted`, and the masks of dropout."""
        super().__init__()
        self.network = network
        self._inputs, self._masks = inputs, inputs + 1 + weighted

    def forward(self, *batch: Tensor) -> Tensor:
        """The mean loss over the rows of `batch`, a scalar; see `Network.loss`."""
        inputs, target = batch[: self._inputs], batch[self._inputs]
        weight = batch[self._inputs + 1] if self._masks == self._inputs + 2 else None
        return self.network.loss(inputs, target, weight, batch[self._masks :])


class RecordedStep:
    """Computes the loss of a batch, and leaves its gradients in the parameters.

    At the first batch of each size, the forward pass and autograd's backward pass are recorded as one list of torch's
    own operations; TorchScript's interpreter replays it. These are the same kernels in the same order, so the same
    bits, without autograd's bookkeeping and most of Python's time.
    """

    def __init__(self, objective: Objective) -> None:
        """Record `objective` once it is called."""
        self._objective = objective
        named = {name: value for name, value in objective.named_parameters() if value.requires_grad}
        self._names, self._parameters = list(named), list(named.values())
        self._values = [parameter.detach() for parameter in self._parameters]
        self._recordings: dict[int, Callable[..., tuple[Tensor, ...]]] = {}

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of `batch`, a scalar; its gradients are in `parameter.grad` afterwards."""
        rows = len(batch[0])
        recording = self._recordings.get(rows)
        if recording is None:
            recording = self._recordings[rows] = self._record(batch)
        loss, *gradients = recording(*self._values, *batch)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return loss

    def _record(self, batch: Batch) -> Callable[..., tuple[Tensor, ...]]:
        parameters = [value.clone().requires_grad_() for value in self._values]
        with Recorder() as recorder:
            loss = functional_call(self._objective, dict(zip(self._names, parameters, strict=True)), tuple(batch))
            gradients = torch.autograd.grad(loss, parameters)
        replay = recorder.replay([*parameters, *batch], [loss, *gradients])
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about constants and deprecation; tests compare the bits
            return torch.jit.trace(replay, (*self._values, *batch), check_trace=False)  # type: ignore[no-any-return, no-untyped-call]


class DistributedStep:
    """The same in several processes: each takes a part of the rows, and all get the gradients of all rows."""

    def __init__(self, objective: Objective, group: ProcessGroup) -> None:
        """Wrap `objective` in torch's DistributedDataParallel; `group` has been joined."""
        self._wrapped = DistributedDataParallel(objective)
        self._group = group

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of all rows of `batch`, a scalar; its gradients are in `parameter.grad` afterwards."""
        rows, group = len(batch[0]), self._group
        part = [values[group.rank :: group.size] for values in batch]
        # Torch takes the mean over processes, as if all had the same number of rows.
        correction = len(part[0]) * group.size / rows
        self._wrapped.zero_grad()
        # A process without rows computes one that then counts nothing: all have to take part.
        loss: Tensor = self._wrapped(*(part if correction else [values[:1] for values in batch])) * correction
        loss.backward()  # type: ignore[no-untyped-call]
        total = loss.detach() / group.size
        torch.distributed.all_reduce(total)
        return total
