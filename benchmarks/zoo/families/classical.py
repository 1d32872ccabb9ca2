"""The classics: textbook networks and building blocks that papers made known."""

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Network, floats, images, together, tokens


def _textbook_cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 8 * 8, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10)),
    )


def _lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(256, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
        nn.LogSoftmax(dim=1),
    )


def _deep_mlp() -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(64, 512), nn.ReLU()]
    for _ in range(6):
        layers += [nn.Linear(512, 512), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(512, 20000))


class Siamese(nn.Module):
    """One network for both pictures, and the cosine of what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1)),
            *(nn.Flatten(), nn.Linear(16, 32)),
        )

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Similarities of shape (rows,)."""
        return nn.functional.cosine_similarity(self.embed(left), self.embed(right))


class PointNet(nn.Module):
    """A transform of the input, a network for each point, the largest of them all."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Sequential(nn.Conv1d(3, 16, 1), nn.BatchNorm1d(16), nn.ReLU())
        self.matrix = nn.Linear(16, 9)
        self.layers = nn.Sequential(nn.Conv1d(3, 32, 1), nn.BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 64, 1))
        self.head = nn.Linear(64, 8)

    def forward(self, points: Tensor) -> Tensor:
        """Logits of shape (clouds, 8)."""
        matrix = self.matrix(self.turn(points).max(2).values).view(-1, 3, 3) + torch.eye(
            3, device=points.device, dtype=points.dtype
        )
        turned = (points.transpose(1, 2) @ matrix).transpose(1, 2)
        return self.head(torch.max(self.layers(turned), 2)[0])


class Capsules(nn.Module):
    """Primary capsules and three rounds of routing by agreement."""

    def __init__(self, inputs: int = 32, size: int = 4, outputs: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8 * size, 9, stride=4)
        self.size = size
        self.weight = nn.Parameter(0.1 * torch.randn(8 * 25, outputs, 8, size))

    def forward(self, image: Tensor) -> Tensor:
        """Lengths of capsules, of shape (rows, outputs)."""
        capsules = _squashed(self.conv(image).flatten(1).reshape(image.shape[0], -1, self.size))
        votes = torch.einsum("iokd,bid->biok", self.weight, capsules)
        logits = votes.new_zeros(votes.shape[:3])
        for step in range(3):
            chosen = _squashed((logits.softmax(2)[..., None] * votes).sum(1))
            if step < 2:
                logits = logits + (votes * chosen[:, None]).sum(-1)
        return chosen.norm(dim=-1)


def _squashed(x: Tensor) -> Tensor:
    square = x.square().sum(-1, keepdim=True)
    return square / (1 + square) * x / (square + 1e-8).sqrt()


class WaveNet(nn.Module):
    """Gated causal convolutions, whose skips are added up."""

    def __init__(self, width: int = 12, layers: int = 5) -> None:
        super().__init__()
        self.enter = nn.Embedding(64, width)
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=2**i) for i in range(layers))
        self.mixes = nn.ModuleList(nn.Conv1d(width, 2 * width, 1) for _ in range(layers))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(width, 32, 1), nn.ReLU(), nn.Conv1d(32, 64, 1))

    def forward(self, samples: Tensor) -> Tensor:
        """Logits of shape (rows, 64, length)."""
        x = self.enter(samples).transpose(1, 2)
        skips = torch.zeros_like(x)
        for i, (gate, mix) in enumerate(zip(self.gates, self.mixes, strict=True)):
            left, right = gate(nn.functional.pad(x, (2**i, 0))).chunk(2, dim=1)
            rest, skip = mix(left.tanh() * right.sigmoid()).chunk(2, dim=1)
            x, skips = x + rest, skips + skip
        return self.head(skips)


class RotaryAttention(nn.Module):
    """Attention with rotary positions whose rates are powers of a number."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.qkv, self.mix = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        rows, length, width = x.shape
        size = width // self.heads
        q, k, v = self.qkv(x).view(rows, length, 3, self.heads, size).permute(2, 0, 3, 1, 4).unbind(0)
        places = torch.arange(length, device=x.device, dtype=x.dtype)
        rates = 10000 ** (-torch.arange(0, size, 2, device=x.device, dtype=x.dtype) / size)
        angles = torch.cat([places[:, None] * rates] * 2, dim=-1)
        q, k = (one * angles.cos() + _half_turned(one) * angles.sin() for one in (q, k))
        mask = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        scores = (q @ k.transpose(-2, -1) / size**0.5).masked_fill(~mask, float("-inf"))
        return self.mix((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def _half_turned(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)


class MixtureOfExperts(nn.Module):
    """A router, the two best of six experts, weights made to add up to one."""

    def __init__(self, width: int = 16, experts: int = 6) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width)) for _ in range(experts)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The shape of `x`, and the experts that each row went to, int64 of shape (rows, 2)."""
        weights, chosen = self.router(x).softmax(-1).topk(2, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        gates = torch.zeros(x.shape[0], len(self.experts), dtype=x.dtype, device=x.device).scatter(1, chosen, weights)
        outputs = torch.stack([expert(x) for expert in self.experts], dim=1)
        return (gates[..., None] * outputs).sum(1), chosen


class Hopfield(nn.Module):
    """Stored patterns, and three updates towards the one that a row is like."""

    patterns: Tensor

    def __init__(self, patterns: int = 20, size: int = 16, beta: float = 4.0) -> None:
        super().__init__()
        self.register_buffer("patterns", torch.randn(patterns, size))
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        for _ in range(3):
            x = (self.beta * x @ self.patterns.T).softmax(-1) @ self.patterns
        return x


class NeuralODE(nn.Module):
    """Ten steps of Runge and Kutta's method along a learned field."""

    def __init__(self, size: int = 4) -> None:
        super().__init__()
        self.field = nn.Sequential(nn.Linear(size, 32), nn.Tanh(), nn.Linear(32, size))

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        step = 0.1
        for _ in range(10):
            first = self.field(x)
            second = self.field(x + 0.5 * step * first)
            third = self.field(x + 0.5 * step * second)
            fourth = self.field(x + step * third)
            x = x + step / 6 * (first + 2 * second + 2 * third + fourth)
        return x


class SIREN(nn.Module):
    """An image as a function of places: sines of 30 times what a layer gives."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inputs, width) for inputs in (2, width, width))
        self.head = nn.Linear(width, 3)
        for i, layer in enumerate(self.layers):
            bound = 0.5 if i == 0 else (6 / width) ** 0.5 / 30
            nn.init.uniform_(layer.weight, -bound, bound)  # type: ignore[arg-type]

    def forward(self, places: Tensor) -> Tensor:
        """Colours of shape (rows, 3)."""
        for layer in self.layers:
            places = (30 * layer(places)).sin()
        return self.head(places)


class NeRF(nn.Module):
    """Positions by sines of doubled frequencies, density and colour."""

    def __init__(self, frequencies: int = 6, width: int = 48) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.layers = nn.Sequential(
            nn.Linear(3 + 6 * frequencies, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.density, self.colour = nn.Linear(width, 1), nn.Linear(width + 3, 3)

    def forward(self, places: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Densities of shape (rows, 1), colours of shape (rows, 3)."""
        rates = 2.0 ** torch.arange(self.frequencies, device=places.device, dtype=places.dtype)
        angles = (places[..., None] * rates).flatten(1)
        hidden = self.layers(torch.cat([places, angles.sin(), angles.cos()], dim=1))
        colour = self.colour(torch.cat([hidden, nn.functional.normalize(directions, dim=1)], dim=1)).sigmoid()
        return nn.functional.softplus(self.density(hidden)), colour


def _transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu", norm_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


NETWORKS = [
    Network("textbook_cnn", _textbook_cnn, images(32)),
    Network("lenet", _lenet, images(28, 1)),
    Network("deep_mlp", _deep_mlp, floats(64)),
    Network("siamese", Siamese, together(images(28, 1), images(28, 1))),
    Network("pointnet", PointNet, floats(3, 40)),
    Network("capsules", Capsules, images(28, 1)),
    Network("wavenet", WaveNet, tokens(64, 40)),
    Network("rotary_attention", RotaryAttention, floats(10, 32)),
    Network("mixture_of_experts", MixtureOfExperts, floats(16)),
    Network("hopfield", Hopfield, floats(16)),
    Network("neural_ode", NeuralODE, floats(4)),
    Network("siren", SIREN, lambda rows: (2 * torch.rand(rows, 2) - 1,)),
    Network("nerf", NeRF, together(floats(3), floats(3))),
    Network("transformer_encoder", _transformer, floats(9, 32)),
    Network(
        "transformer_decoder",
        lambda: nn.Transformer(16, 4, 1, 1, 32, batch_first=True),
        together(floats(7, 16), floats(5, 16)),
    ),
]
