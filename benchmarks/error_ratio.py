"""How far exported models are from torch in float64, as multiples of what float32 can resolve.

    .venv/bin/python benchmarks/error_ratio.py [NETWORKS [MODULES]]

Random networks like the example's, of 1 to 64 features and 1 to 128 hidden units, half of them with standardisation
over six orders of magnitude, weights scaled by 0.1 to 30; and modules put together at random from convolutions,
recurrent layers, attention, norms and activations. Each is exported and compared kind by kind as `edge-export` does,
the search for the worst rows included. The ratio is the one that export compares with MULTIPLE, the largest of each
network; beside it stands the artifact's largest error over torch float32's own largest, and how often a label would
differ by the rule "wherever torch float32 and float64 agree", which does not consider what float32 can decide.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import load_onnx
from edge_export.verify.compare import compare
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.sampler import Sampler
from edge_export.verify.tensor_reference import MULTIPLE
from edge_export.verify.worst_case_search import worst_rows

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from exports import onnx_bytes
from random_modules import random_module
from random_networks import random_network


def measure(programs: Iterator[Program], title: str) -> None:
    """Print the distribution of the ratio by kind of rows."""
    ratios: dict[str, list[float]] = defaultdict(list)
    over_torch: dict[str, list[float]] = defaultdict(list)
    flips: dict[str, int] = defaultdict(int)
    rows: dict[str, int] = defaultdict(int)
    count = 0
    for seed, program in enumerate(programs):
        count += 1
        references = References(program, finite_only=program.signature is None)
        sampler = Sampler(program, seed=seed)
        probes = all_probe_inputs(sampler, references.exact, finite_only=program.signature is None)
        expected = references.of_probes(probes)
        run = load_onnx(onnx_bytes(program))
        if (worst := worst_rows(run, references, sampler)) is not None:
            calls = tuple(map(references.of_call, worst.calls))
            expected.append(ProbeReference(worst, calls, references.of_call_closely))
        for comparison in compare(run, expected, program, f"network {seed}"):
            name = comparison.probe.kind.replace("the example", "the training data")
            ratios[name].append(comparison.tolerance_used * MULTIPLE)
            if comparison.torch_error:
                over_torch[name].append(comparison.error / comparison.torch_error)
        for known in expected:
            for tensors, reference in zip(known.probe.calls, known.calls, strict=True):
                if program.signature is None:
                    continue
                tensor = reference[program.signature.output]
                outputs = run(tensors)[program.signature.output]
                agree = (tensor.float32 > 0.5) == (tensor.float64 > 0.5)
                flips[known.probe.kind] += int((agree & ((outputs > 0.5) != (tensor.float32 > 0.5))).sum())
                rows[known.probe.kind] += int(agree.sum())
    print(f"{count} {title}; the tolerance is a ratio of {MULTIPLE:g}")
    for name, values in ratios.items():
        middle, high, most = np.quantile(values, [0.5, 0.99, 1])
        half, worst_over = np.quantile(over_torch[name] or [0.0], [0.5, 1])
        labels = f"  labels that differ {flips[name]:,} of {rows[name]:,}" if rows[name] else ""
        print(
            f"  {name:<30} ratio: median {middle:.2f}  99 % {high:.2f}  max {most:.2f}"
            f"   error over torch's own: median {half:.2f}  max {worst_over:.2f}{labels}"
        )


def main(networks: int, modules: int) -> None:
    """Measure both kinds."""
    torch.set_num_threads(1)
    measure((capture(*random_network(seed)) for seed in range(networks)), "networks like the example's")
    measure((capture(*random_module(seed)) for seed in range(modules)), "modules of many kinds of layers")


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("100", "100")[len(sys.argv) - 1 :])))
