"""How small a mistake in a single weight may be and still show: on random weights of untrained networks.

    .venv/bin/python benchmarks/single_weights.py [WEIGHTS]

Each of them is changed by a hundredth and by a thousandth. It counts the changes that move no element of ordinary rows
by more than its tolerance, in float64.
"""

import sys

import numpy as np
import torch
from torch import nn

from edge_export.capture.capture import capture
from edge_export.tensors import Tensors
from edge_export.verify.probe_inputs import ordinary
from edge_export.verify.reference import CallReference, References
from edge_export.verify.sampler import Sampler

FACTORS = (1.01, 1.001)


def linear(width: int, layers: int, outputs: int) -> nn.Module:
    """Linear layers for rows of 64 features."""
    hidden = [layer for _ in range(layers) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), *hidden, nn.Linear(width, outputs))


def convolutional(channels: int) -> nn.Module:
    """Three convolutions and a linear layer, for images of three colours."""
    hidden = [layer for _ in range(2) for layer in (nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())]
    first = (nn.Conv2d(3, channels, 3, padding=1), nn.ReLU())
    return nn.Sequential(*first, *hidden, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def missed(module: nn.Module, calls: list[tuple[Tensors, CallReference]], count: int) -> list[int]:
    """How many of `count` weights may be changed by each of `FACTORS` without a sign in `calls`."""
    module = module.double()
    random = np.random.default_rng(0)
    weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    rows = [torch.from_numpy(tensors["input"]).double() for tensors, _ in calls]
    tolerances = [reference["output"].tolerance for _, reference in calls]
    found = [0] * len(FACTORS)
    with torch.inference_mode():
        before = [module(each).numpy() for each in rows]
        for _ in range(count):
            weight = weights[random.integers(len(weights))].view(-1)
            place = int(random.integers(len(weight)))
            kept = float(weight[place])
            for index, factor in enumerate(FACTORS):
                weight[place] = kept * factor
                moved = [abs(module(each).numpy() - old) for each, old in zip(rows, before, strict=True)]
                shows = any((off > allowed).any() for off, allowed in zip(moved, tolerances, strict=True))
                found[index] += not shows
            weight[place] = kept
    return found


def main(count: int) -> None:
    """Print a line for each network."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    row, image = torch.randn(2, 64), torch.randn(2, 3, 16, 16)
    for title, module, example in (
        ("2 linear layers of 64 x 64", linear(64, 2, 3), row),
        ("6 linear layers of 512 x 512, 10 outputs", linear(512, 6, 10), row),
        ("the same, 20,000 outputs", linear(512, 6, 20_000), row),
        ("2 convolutions of 64 x 64 x 3 x 3", convolutional(64), image),
        ("2 convolutions of 256 x 256 x 3 x 3", convolutional(256), image),
    ):
        program = capture(module.eval(), example)
        probe = ordinary(Sampler(program))
        (reference,) = References(program).of_probes([probe])
        # The largest batches take long and hardly differ.
        calls = [
            (call, found)
            for call, found in zip(probe.calls, reference.calls, strict=True)
            if len(call["input"]) <= 1024
        ]
        found = missed(module, calls, count)
        print(f"| {title} | {sum(len(call['input']) for call, _ in calls):,} | " + " | ".join(map(str, found)) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
