"""The optimizers, as torch computes them, without what `torch.optim` does around each step, which takes longer."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from edge_train.loop.settings import Settings

# torch's defaults.
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class Optimizer(Protocol):
    """Changes parameters by their gradients."""

    def step(self, rate: float) -> None:
        """Change each parameter by its `grad`, at the learning rate `rate`."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on, besides the parameters; it changes with each step."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""


def optimizer_of(parameters: Sequence[nn.Parameter], settings: Settings) -> Optimizer:
    """The optimizer that `settings` name, for `parameters`."""
    kind = SGD if settings.optimizer == "sgd" else AdamW
    return kind(parameters, settings.weight_decay)


class SGD:
    """Stochastic gradient descent without momentum; the same bits as `torch.optim.SGD`."""

    def __init__(self, parameters: Sequence[nn.Parameter], weight_decay: float) -> None:
        """Take `parameters`, and their decay at a learning rate of 1."""
        self._parameters, self._weight_decay = list(parameters), weight_decay
        self._values = [parameter.detach() for parameter in self._parameters]

    def step(self, rate: float) -> None:
        """See `Optimizer`."""
        gradients = _gradients(self._parameters)
        if self._weight_decay:
            gradients = list(torch._foreach_add(gradients, self._values, alpha=self._weight_decay))
        torch._foreach_add_(self._values, gradients, alpha=-rate)

    def state_dict(self) -> dict[str, Any]:
        """See `Optimizer`."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Optimizer`."""


class AdamW:
    """AdamW (Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019); the bits of torch's fused one."""

    def __init__(self, parameters: Sequence[nn.Parameter], weight_decay: float) -> None:
        """Take `parameters`, and their decay at a learning rate of 1."""
        self._parameters, self._weight_decay = list(parameters), weight_decay
        self._values = [parameter.detach() for parameter in self._parameters]
        self._means = [torch.zeros_like(value) for value in self._values]
        self._squares = [torch.zeros_like(value) for value in self._values]
        self._steps = torch.zeros((), dtype=torch.float32, device=self._values[0].device)

    def step(self, rate: float) -> None:
        """See `Optimizer`."""
        self._steps += 1
        torch._fused_adamw_(
            self._values,
            _gradients(self._parameters),
            self._means,
            self._squares,
            [],
            [self._steps] * len(self._values),
            lr=rate,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """See `Optimizer`."""
        return {"steps": self._steps, "means": self._means, "squares": self._squares}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Optimizer`."""
        self._steps.copy_(state["steps"])
        for ours, theirs in zip(self._means + self._squares, state["means"] + state["squares"], strict=True):
            ours.copy_(theirs)


def _gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [cast(Tensor, parameter.grad) for parameter in parameters]
