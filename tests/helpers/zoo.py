"""Modules of many kinds, each with the inputs that it is exported with: what users have besides the example."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True)
class Exhibit:
    """A module, inputs for it, and the arguments of `edge_export.export` that it needs besides."""

    module: Callable[[], nn.Module]
    example: Callable[[], Any]
    options: Mapping[str, Any] = field(default_factory=dict)


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv_2 = nn.Conv2d(4, 8, 3, stride=2)
        self.head = nn.Linear(8, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv_1(image)), 2)
        x = F.relu(self.conv_2(x)).mean((2, 3))
        return F.softmax(self.head(x), dim=-1)


class BatchNormNet(nn.Module):
    """With running statistics that are not the initial ones."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6), nn.GELU(), nn.Dropout(), nn.Conv1d(6, 2, 1))
        self.layers(3 + 2 * torch.randn(64, 3, 9))

    def forward(self, signal: Tensor) -> Tensor:
        found: Tensor = self.layers(signal)
        return found


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 24), nn.SiLU(), nn.Linear(24, 12)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.recurrent = kind(5, 8, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 3)

    def forward(self, sequence: Tensor) -> Tensor:
        states, _ = self.recurrent(sequence)
        found: Tensor = self.head(states[:, -1])
        return found


class MaskedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm(16)

    def forward(self, sequence: Tensor, padding: Tensor) -> Tensor:
        attended, _ = self.attention(sequence, sequence, sequence, key_padding_mask=padding, need_weights=False)
        found: Tensor = self.norm(sequence + attended)
        return found


class CausalAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, sequence: Tensor) -> Tensor:
        q, k, v = self.qkv(sequence).unflatten(-1, (2, 12)).transpose(1, 2).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


class EmbeddingBagNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 6, padding_idx=0)
        self.head = nn.Linear(6, 1)

    def forward(self, ids: Tensor) -> Tensor:
        seen = (ids != 0).unsqueeze(-1).float()
        mean = (self.embedding(ids) * seen).sum(1) / seen.sum(1).clamp(min=1)
        return torch.sigmoid(self.head(mean))


class TwoInTwoOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        shared = torch.tanh(self.left(left) + self.right(right))
        return shared.sum(1), shared * 2


class DictInDictOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.kind = nn.Linear(4, 3), nn.Embedding(7, 3)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        features = self.image(batch["image"]) + self.kind(batch["kind"])
        return {"logits": features, "best": features.argmax(-1)}


class NoBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, state: Tensor) -> Tensor:
        size: Tensor = torch.linalg.vector_norm(self.layer(state))
        return size * state


class Einsum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.core = nn.Parameter(torch.randn(3, 4, 5))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum("ni,ijk,nj->nk", a, self.core, b)


class Decision(nn.Module):
    """A boolean output from a boolean and a float input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x: Tensor, enabled: Tensor) -> Tensor:
        score: Tensor = self.layer(x)
        return (score.squeeze(-1) > 0) & enabled


class Branching(nn.Module):
    """Control flow that torch.export carries over."""

    def __init__(self) -> None:
        super().__init__()
        self.calm, self.wild = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = torch.cond(x.sum() > 0, lambda v: self.calm(v), lambda v: torch.sin(self.wild(v)), (x,))
        return found


class Normalised(nn.Module):
    """Buffers: preprocessing that is part of the network."""

    mean: Tensor
    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([1.0, 1000.0, -5.0]))
        self.register_buffer("table", torch.arange(6.0).reshape(3, 2))

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / 3).clamp(-2, 2) @ self.table


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.embedding = nn.Embedding(20, 16)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, ids: Tensor) -> Tensor:
        found: Tensor = self.encoder(self.embedding(ids))
        return found


LENGTH = {"dynamic": {"sequence": ("batch", "length")}}

ZOO: dict[str, Exhibit] = {
    "convolutions": Exhibit(ConvNet, lambda: torch.randn(4, 1, 12, 12)),
    "batch norm, dynamic length": Exhibit(
        BatchNormNet, lambda: 3 + torch.randn(4, 3, 9), {"dynamic": {"signal": ("batch", None, "length")}}
    ),
    "residual": Exhibit(Residual, lambda: torch.randn(5, 12)),
    "LSTM, dynamic length": Exhibit(lambda: Recurrent(nn.LSTM), lambda: torch.randn(3, 7, 5), LENGTH),
    "GRU": Exhibit(lambda: Recurrent(nn.GRU), lambda: torch.randn(3, 7, 5)),
    "attention with a mask": Exhibit(
        MaskedAttention,
        lambda: (torch.randn(3, 6, 16), torch.arange(6) >= torch.tensor([[6], [4], [3]])),
        {"dynamic": {"sequence": ("batch", "length"), "padding": ("batch", "length")}},
    ),
    "causal attention": Exhibit(CausalAttention, lambda: torch.randn(3, 6, 8), LENGTH),
    "embedding of integers": Exhibit(
        EmbeddingBagNet, lambda: torch.randint(0, 50, (4, 9)), {"dynamic": {"ids": ("batch", "length")}}
    ),
    "two inputs, two outputs": Exhibit(TwoInTwoOut, lambda: (torch.randn(3, 3), torch.randn(3, 2))),
    "dict in, dict out": Exhibit(
        DictInDictOut, lambda: ({"image": torch.randn(3, 4), "kind": torch.tensor([0, 6, 2])},)
    ),
    "no batch": Exhibit(NoBatch, lambda: torch.randn(6), {"dynamic": {"state": ()}}),
    "einsum": Exhibit(Einsum, lambda: (torch.randn(3, 3), torch.randn(3, 4))),
    "boolean output": Exhibit(Decision, lambda: (torch.randn(4, 4), torch.tensor([True, False, True, True]))),
    "branches": Exhibit(Branching, lambda: torch.randn(3, 3)),
    "buffers": Exhibit(Normalised, lambda: torch.tensor([1.0, 1000.0, -5.0]) + torch.randn(3, 3)),
    "transformer": Exhibit(
        Transformer, lambda: torch.randint(0, 20, (3, 5)), {"dynamic": {"ids": ("batch", "length")}}
    ),
}
