"""How often a sound network is refused: exports of random networks, deep ones too.

    .venv/bin/python benchmarks/false_refusals.py [COUNT [START]]

Each number from START on is the seed of one network: by turns like the example's or for a table, put together from many
kinds of layers, deep and linear, deep and convolutional. All are exported as they are, so that none may be refused. It
prints each refusal as it comes, and at the end how many there were and how much of the tolerance was used.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edge_export import export
from edge_runtime import EdgePredictError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from random_modules import ACTIVATIONS, Sum, random_module
from random_networks import random_network


def network(seed: int) -> tuple[nn.Module, Tensor, object]:
    """A random network, an example of its input, and its dynamic axes."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    match seed % 4:
        case 0:
            return *random_network(seed), None
        case 1:
            return random_module(seed)
        case 2:
            return _deep_linear(random)
    return _deep_convolutional(random)


def _activation(random: np.random.Generator) -> nn.Module:
    return ACTIVATIONS[random.integers(len(ACTIVATIONS))]()


def _deep_linear(random: np.random.Generator) -> tuple[nn.Module, Tensor, None]:
    width, features = int(random.integers(16, 257)), int(random.integers(2, 129))
    layers: list[nn.Module] = [nn.Linear(features, width)]
    norm, residual = random.integers(3), random.integers(2)
    for _ in range(random.integers(4, 31)):
        inner: list[nn.Module] = [nn.Linear(width, width), _activation(random)]
        if norm:
            inner.insert(0, nn.LayerNorm(width) if norm == 1 else nn.BatchNorm1d(width))
        layers += [Sum(nn.Sequential(*inner))] if residual else inner
    layers.append(nn.Linear(width, int(10 ** random.uniform(0, 3.7))))
    return nn.Sequential(*layers).eval(), torch.randn(2, features), None


def _deep_convolutional(random: np.random.Generator) -> tuple[nn.Module, Tensor, None]:
    channels = int(2 ** random.integers(2, 6))
    kernel = int(random.choice([1, 3, 5]))
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1)]
    for _ in range(random.integers(2, 13)):
        inner = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=1 if random.integers(2) else channels),
            nn.BatchNorm2d(channels),
            _activation(random),
        )
        layers += [Sum(inner)] if random.integers(2) else [*inner]
    if random.integers(2):
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, int(random.integers(1, 1001)))]
    size = int(random.integers(8, 33))
    return nn.Sequential(*layers).eval(), torch.randn(2, 3, size, size), None


def main(count: int, start: int) -> None:
    """Export and count."""
    refused, used = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(start, start + count):
            module, example, dynamic = network(seed)
            try:
                (made,) = export(module, example, Path(folder, "m.onnx"), dynamic=dynamic, note=lambda _: None)  # type: ignore[arg-type]
            except EdgePredictError as error:
                refused += 1
                print(f"{seed}: {error}", flush=True)
                continue
            required = [each for each in made.comparisons if each.probe.is_required]
            used.append(max(each.tolerance_used for each in required))
            if (seed - start + 1) % 50 == 0:
                print(f"{seed - start + 1} exports, {refused} refused", flush=True)
    middle, high, most = np.quantile(used, [0.5, 0.99, 1])
    print(
        f"{count} exports, {refused} refused; tolerance used: median {middle:.0%}, 99 % {high:.0%}, largest {most:.0%}"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("1000", "0")[len(sys.argv) - 1 :])))
