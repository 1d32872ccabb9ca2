"""Networks of several members, which are trained at once and averaged."""

import copy
from collections.abc import Callable, Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from edge_train.networks.base import Network
from edge_train.networks.category_embedding import CategoryEmbedding


class MemberLinear(nn.Module):
    """A linear layer of each member, computed at once.

    Attributes:
        weight: float32 of shape (members, before, after).
        bias: float32 of shape (members, 1, after).
    """

    def __init__(self, members: int, before: int, after: int) -> None:
        """Start with torch's usual weights for layers of these widths."""
        super().__init__()
        limit = max(1, before) ** -0.5
        self.weight = nn.Parameter(torch.empty(members, before, after).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.empty(members, 1, after).uniform_(-limit, limit))

    def forward(self, values: Tensor) -> Tensor:
        """Shape (members, batch, after), of values of shape (members, batch, before) or (batch, before) for all."""
        return torch.matmul(values, self.weight) + self.bias


class MemberNetwork(Network):
    """A network whose parameters all have its members along their first axis.

    Attributes:
        embeddings: a `CategoryEmbedding` for each categorical feature.
        layers: the `MemberLinear` layers.
    """

    embeddings: nn.ModuleList
    layers: nn.ModuleList

    @property
    def dropout_widths(self) -> tuple[int, ...]:
        """The widths of the hidden layers of all members together; see `Network.dropout_widths`."""
        return tuple(self.members * cast(MemberLinear, layer).bias.shape[2] for layer in self.layers[:-1])

    def repeated(self, times: int) -> Self:
        """The same members so many times over, each with weights of its own, which are alike at first."""
        return self._with_members(lambda weight: weight.repeat(times, *[1] * (weight.ndim - 1)))

    def subset(self, members: slice) -> Self:
        """The network of some members, which share their weights with this one's and change with them."""
        return self._with_members(lambda weight: weight[members])

    def sharpen(self, factor: float) -> None:
        """Multiply what the last layers give by `factor`, as temperature scaling does (Guo et al., 2017)."""
        last = self.layers[-1]
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.mul_(factor)

    def forget_unseen(self) -> None:
        """Take categories that were in no row of `fit` as unknown ones, whose vectors were not learned."""
        for embedding in self.embeddings:
            cast(CategoryEmbedding, embedding).forget_unseen()

    def hidden(self, parts: Sequence[Tensor], masks: tuple[Tensor, ...]) -> Tensor:
        """What the last layers take, float32 of shape (members, batch, width), or (batch, width) for all members.

        Args:
            parts: what the first layers take, side by side, each of shape (batch, width) for all members or
                (members, batch, width).
            masks: see `Network.loss`.
        """
        if any(part.ndim == 3 for part in parts):
            parts = [part if part.ndim == 3 else part.expand(self.members, -1, -1) for part in parts]
        values = torch.cat(list(parts), -1) if len(parts) > 1 else parts[0]
        for place, layer in enumerate(self.layers[:-1]):
            values = layer(values).relu()
            if masks:
                values = values * masks[place].reshape(len(masks[place]), self.members, -1).transpose(0, 1)
        return values

    def _with_members(self, change: Callable[[Tensor], Tensor]) -> Self:
        other = copy.deepcopy(self)
        for name, parameter in other.named_parameters():
            parameter.data = change(self.get_parameter(name).detach())
            other.members = len(parameter)
        return other


def members_of(network: Network, members: slice) -> Network:
    """The network of some members, which changes with `network`; that itself if it does not consist of members."""
    return network.subset(members) if isinstance(network, MemberNetwork) else network
