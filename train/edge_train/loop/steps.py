"""Loss and gradients of a batch: by a recording of what torch's autograd does, without what Python adds."""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from edge_train.networks.base import Network

Batch = Sequence[Tensor]


class Objective(nn.Module):
    """The loss of a network, as a module of a flat list of tensors: what autograd and DistributedDataParallel take."""

    def __init__(self, network: Network, inputs: int, weighted: bool) -> None:
        """Take batches of so many input tensors, a target, a weight if `weighted`, and the masks of dropout."""
        super().__init__()
        self.network = network
        self._inputs, self._masks = inputs, inputs + 1 + weighted

    def forward(self, *batch: Tensor) -> Tensor:
        """The loss, a scalar; see `Network.loss`."""
        inputs, target = batch[: self._inputs], batch[self._inputs]
        weight = batch[self._inputs + 1] if self._masks == self._inputs + 2 else None
        return self.network.loss(inputs, target, weight, batch[self._masks :])


class RecordedStep:
    """Leaves the gradients of a batch's loss in the parameters, and gives the loss.

    The forward pass and autograd's backward pass are recorded as one list of torch's own operations, for each shape of
    batch at its first call, and replayed by TorchScript's interpreter: the same kernels in the same order, so the same
    bits, without autograd's bookkeeping and most of Python's time.
    """

    def __init__(self, objective: Objective) -> None:
        """Record `objective` when it is called."""
        self._objective = objective
        named = {name: value for name, value in objective.named_parameters() if value.requires_grad}
        self._names, self._parameters = list(named), list(named.values())
        self._values = [parameter.detach() for parameter in self._parameters]
        self._recordings: dict[int, Callable[..., tuple[Tensor, ...]]] = {}

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of `batch`, a scalar; the gradients are in `parameter.grad` afterwards."""
        rows = len(batch[0])
        recording = self._recordings.get(rows)
        if recording is None:
            recording = self._recordings[rows] = self._record(batch)
        loss, *gradients = recording(*self._values, *batch)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return loss

    def _record(self, batch: Batch) -> Callable[..., tuple[Tensor, ...]]:
        count = len(self._values)

        def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
            parameters = [tensor.requires_grad_() for tensor in tensors[:count]]
            loss = functional_call(self._objective, dict(zip(self._names, parameters, strict=True)), tensors[count:])
            return (loss, *torch.autograd.grad(loss, parameters))

        graph = make_fx(compute)(*(value.clone() for value in self._values), *batch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about constants and deprecation; the bits are tested
            return torch.jit.trace(lambda *tensors: graph(*tensors), (*self._values, *batch), check_trace=False)  # type: ignore[no-any-return, no-untyped-call]
