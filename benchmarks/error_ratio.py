"""How far exported networks are from torch in float64, as multiples of torch float32's own error.

    .venv/bin/python benchmarks/error_ratio.py [NETWORKS]

Random networks of 1 to 64 features and 1 to 128 hidden units, half of them with standardisation over six orders of
magnitude, weights scaled by 0.1 to 30, each exported and compared case by case as `edge-export` does. The ratio is the
one that export holds against MULTIPLE, the largest of each network; beside it stands how often a label would differ by
the rule "wherever torch float32 and float64 agree", which has no regard for rows that float32 cannot decide.
"""

import sys
from collections import defaultdict

import numpy as np
import torch

from edge_export.cases import draw_cases
from edge_export.exporting import load_onnx
from edge_export.onnx_file import onnx_bytes
from edge_export.parity import MULTIPLE, compare, compute_references
from edge_train import NeuralNet


def random_network(seed: int) -> NeuralNet:
    """A network of random size, weights and standardisation."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = NeuralNet(int(random.integers(1, 65)), int(random.integers(1, 129)), standardize=bool(random.integers(2)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10 ** random.uniform(-1, 1.5))
    if model.standardize is not None:
        scale, center = 10 ** random.uniform(-3, 3, size=(2, len(model.signature.features)))
        model.standardize.fit((center + scale * random.normal(size=(100, len(scale)))).astype(np.float32))
    return model.eval()


def main(networks: int) -> None:
    """Print the distribution of the ratio by kind of rows."""
    ratios: dict[str, list[float]] = defaultdict(list)
    flips: dict[str, int] = defaultdict(int)
    rows: dict[str, int] = defaultdict(int)
    for seed in range(networks):
        model = random_network(seed)
        references = compute_references(model, draw_cases(model, seed))
        run = load_onnx(onnx_bytes(model), model.signature)
        for comparison in compare(run, references, model.signature, f"network {seed}"):
            ratios[comparison.case.name].append(comparison.share * MULTIPLE)
        for reference in references:
            if reference.case.batches:
                outputs = np.concatenate([run(batch)[:, 0] for batch in reference.case.batches])
                agree = (reference.float32 > 0.5) == (reference.float64 > 0.5)
                flips[reference.case.name] += int((agree & ((outputs > 0.5) != (reference.float32 > 0.5))).sum())
                rows[reference.case.name] += int(agree.sum())
    print(f"{networks} networks; export allows a ratio of {MULTIPLE}")
    for name, values in ratios.items():
        middle, high, most = np.quantile(values, [0.5, 0.99, 1])
        print(
            f"{name:<30}  median {middle:.2f}  99 % {high:.2f}  max {most:.2f}"
            f"  labels that differ {flips[name]} of {rows[name]:,}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
