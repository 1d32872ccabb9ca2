"""Modules put together at random from usual layers."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

ACTIVATIONS = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Hardswish)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return x + attended


class States(nn.Module):
    """A recurrent layer without its last state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.layer(x)[0]
        return states


class Sum(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layer(x)
        return x + change


class MeanOver(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.axis)


def random_module(seed: int) -> tuple[nn.Module, Tensor, Mapping[str, tuple[str | None, ...]] | None]:
    """A module, an example of its input, and its dynamic axes; the same seed gives the same."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    module, example, dynamic = (_rows, _signals, _sequences)[random.integers(3)](random)
    with torch.no_grad():
        gain = 10 ** random.uniform(-0.7, 0.7)
        for parameter in module.parameters():
            parameter.mul_(gain)
        for buffer in module.buffers():
            if buffer.dtype == torch.float32:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return module.eval(), example * 10 ** random.uniform(-1, 1), dynamic


def _activation(random: np.random.Generator) -> nn.Module:
    return ACTIVATIONS[random.integers(len(ACTIVATIONS))]()


def _rows(random: np.random.Generator) -> tuple[nn.Module, Tensor, None]:
    width = features = int(random.integers(1, 33))
    layers: list[nn.Module] = []
    for _ in range(random.integers(1, 5)):
        following = int(random.integers(1, 65))
        layers.append(nn.Linear(width, following, bias=bool(random.integers(2))))
        width = following
        match random.integers(4):
            case 0:
                layers.append(nn.BatchNorm1d(width))
            case 1:
                layers.append(nn.LayerNorm(width))
            case 2:
                layers.append(Sum(nn.Sequential(nn.Linear(width, width), _activation(random))))
        layers.append(_activation(random))
    layers.append(nn.Linear(width, int(random.integers(1, 5))))
    if random.integers(2):
        layers.append(nn.Softmax(-1))
    return nn.Sequential(*layers), torch.randn(5, features), None


def _signals(random: np.random.Generator) -> tuple[nn.Module, Tensor, Mapping[str, tuple[str | None, ...]] | None]:
    channels = inputs = int(random.integers(1, 4))
    any_length = bool(random.integers(2))
    layers: list[nn.Module] = []
    for _ in range(random.integers(1, 4)):
        following = 2 * int(random.integers(1, 5))
        layers.append(nn.Conv1d(channels, following, 3, padding=1, dilation=1))
        channels = following
        layers.append((nn.BatchNorm1d(channels), nn.GroupNorm(2, channels), nn.Identity())[random.integers(3)])
        layers.append(_activation(random))
        if random.integers(2):
            # torch.export fixes the length before a max_pool1d.
            layers.append(nn.AvgPool1d(3, 1, 1) if any_length else nn.MaxPool1d(3, 1, 1))
    layers += [MeanOver(-1), nn.Linear(channels, 2)]
    dynamic = {"input": ("batch", None, "length")} if any_length else None
    return nn.Sequential(*layers), torch.randn(4, inputs, 11), dynamic


def _sequences(random: np.random.Generator) -> tuple[nn.Module, Tensor, Mapping[str, tuple[str | None, ...]]]:
    width = 4 * int(random.integers(1, 4))
    layers: list[nn.Module] = []
    for _ in range(random.integers(1, 3)):
        match random.integers(4):
            case 0:
                layers.append(States(nn.LSTM(width, width, batch_first=True)))
            case 1:
                layers.append(States(nn.GRU(width, width // 2, batch_first=True, bidirectional=True)))
            case 2:
                layers += [Attention(width, 2), nn.LayerNorm(width)]
            case 3:
                layers.append(
                    Sum(nn.Sequential(nn.Linear(width, 2 * width), _activation(random), nn.Linear(2 * width, width)))
                )
    layers += [MeanOver(1), nn.Linear(width, 3)]
    return nn.Sequential(*layers), torch.randn(3, 6, width), {"input": ("batch", "length")}
