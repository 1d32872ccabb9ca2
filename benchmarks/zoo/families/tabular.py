"""Tables: rtdl's and TabM's packages, and the recommenders' classics."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Arguments, Inputs, Network, floats
from benchmarks.zoo.packages import imported

_CARDINALITIES = (3, 20, 900)


def _codes(rows: int) -> Tensor:
    return torch.stack([torch.randint(size, (rows,)) for size in _CARDINALITIES], dim=1)


def _numbers_and_codes(numbers: int) -> Inputs:
    def batch(rows: int) -> Arguments:
        return torch.randn(rows, numbers), _codes(rows)

    return batch


class DLRM(nn.Module):
    """Numbers through a network, codes through embeddings, all pairs of dot products, another network."""

    pairs: Tensor

    def __init__(self, numbers: int = 8, width: int = 16) -> None:
        super().__init__()
        self.bottom = nn.Sequential(nn.Linear(numbers, 32), nn.ReLU(), nn.Linear(32, width), nn.ReLU())
        self.embeddings = nn.ModuleList(nn.EmbeddingBag(size, width, mode="sum") for size in _CARDINALITIES)
        vectors = 1 + len(_CARDINALITIES)
        low = torch.tril_indices(vectors, vectors, offset=-1)
        self.register_buffer("pairs", low[0] * vectors + low[1])
        self.top = nn.Sequential(nn.Linear(width + vectors * (vectors - 1) // 2, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Probabilities of a click, of shape (rows,)."""
        dense = self.bottom(numbers)
        sparse = [embedding(codes[:, i : i + 1]) for i, embedding in enumerate(self.embeddings)]
        vectors = torch.stack([dense, *sparse], dim=1)
        products = (vectors @ vectors.transpose(1, 2)).flatten(1)[:, self.pairs]
        return self.top(torch.cat([dense, products], dim=1)).sigmoid()[:, 0]


class WideAndDeep(nn.Module):
    """A linear model of codes beside a network of numbers and embeddings."""

    def __init__(self, numbers: int = 6) -> None:
        super().__init__()
        self.wide = nn.ModuleList(nn.Embedding(size, 1) for size in _CARDINALITIES)
        self.embeddings = nn.ModuleList(nn.Embedding(size, 8) for size in _CARDINALITIES)
        width = numbers + 8 * len(_CARDINALITIES)
        self.deep = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 32), nn.ReLU())
        self.head = nn.Linear(32, 1)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Logits of shape (rows, 1)."""
        wide = torch.stack([layer(codes[:, i]) for i, layer in enumerate(self.wide)]).sum(0)
        vectors = [layer(codes[:, i]) for i, layer in enumerate(self.embeddings)]
        return wide + self.head(self.deep(torch.cat([numbers, *vectors], dim=1)))


class DeepFM(nn.Module):
    """A factorisation machine and a network over the same embeddings, whose table has offsets."""

    offsets: Tensor

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        offsets = torch.tensor([0, *_CARDINALITIES]).cumsum(0)
        self.register_buffer("offsets", offsets[:-1])
        self.embedding, self.linear = nn.Embedding(int(offsets[-1]), width), nn.Embedding(int(offsets[-1]), 1)
        self.deep = nn.Sequential(nn.Linear(width * len(_CARDINALITIES), 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Probabilities of shape (rows, 1)."""
        places = codes + self.offsets
        vectors = self.embedding(places)
        pairs = 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(1, keepdim=True)
        return torch.sigmoid(self.linear(places).sum(1) + pairs + self.deep(vectors.flatten(1)))


class CrossNetwork(nn.Module):
    """DCN-v2: explicit crosses of features, layer by layer."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.crosses = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities of shape (rows, 2)."""
        crossed = x
        for layer in self.crosses:
            crossed = x * layer(crossed) + crossed
        return self.head(crossed).softmax(1)


class TabNet(nn.Module):
    """TabNet's steps of attention over features, with its ghost normalisation at inference and a softmax mask."""

    def __init__(self, features: int = 10, width: int = 16, steps: int = 3) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.transforms = nn.ModuleList(nn.Linear(features, 4 * width) for _ in range(steps))
        self.attention = nn.ModuleList(nn.Linear(width, features) for _ in range(steps))
        self.first, self.head = nn.Linear(features, width), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of shape (rows, 3), and how much each feature was looked at, of shape (rows, features)."""
        x = self.norm(x)
        chosen, prior = self.first(x), torch.ones_like(x)
        total, looked = torch.zeros_like(chosen), torch.zeros_like(x)
        for transform, attention in zip(self.transforms, self.attention, strict=True):
            mask = (attention(chosen) * prior).softmax(1)
            prior, looked = prior * (1.3 - mask), looked + mask
            decided, chosen = nn.functional.glu(transform(x * mask), dim=1).chunk(2, dim=1)
            total = total + decided.relu()
        return self.head(total), looked


def _ft_transformer() -> Any:
    rtdl = imported("rtdl_revisiting_models")
    options = {**rtdl.FTTransformer.get_default_kwargs(n_blocks=2), "d_block": 32, "attention_n_heads": 4}
    return rtdl.FTTransformer(n_cont_features=6, cat_cardinalities=list(_CARDINALITIES), d_out=2, **options)


def _rtdl(model: str, **options: Any) -> Any:
    return getattr(imported("rtdl_revisiting_models"), model)(d_in=12, d_out=3, n_blocks=3, d_block=64, **options)


def _tabm(**options: Any) -> Any:
    return imported("tabm").TabM.make(n_num_features=6, d_out=2, k=8, n_blocks=2, d_block=64, **options)


NETWORKS = [
    Network("ft_transformer", _ft_transformer, _numbers_and_codes(6)),
    Network("rtdl_mlp", lambda: _rtdl("MLP", dropout=0.1), floats(12)),
    Network(
        "rtdl_resnet",
        lambda: _rtdl("ResNet", d_hidden=None, d_hidden_multiplier=2.0, dropout1=0.2, dropout2=0.0),
        floats(12),
    ),
    Network("tabm", _tabm, floats(6)),
    Network("tabm_codes", lambda: _tabm(cat_cardinalities=list(_CARDINALITIES)), _numbers_and_codes(6)),
    Network("dlrm", DLRM, _numbers_and_codes(8)),
    Network("wide_and_deep", WideAndDeep, _numbers_and_codes(6)),
    Network("deepfm", DeepFM, lambda rows: (_codes(rows),)),
    Network("dcn_v2", CrossNetwork, floats(16)),
    Network("tabnet", TabNet, floats(10)),
]
