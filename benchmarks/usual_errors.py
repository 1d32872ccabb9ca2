"""How far ONNX Runtime and torch in float32 are from float64, in units of the usual error.

    make .venv/extra-zoo
    .venv/bin/python -m benchmarks.usual_errors [NAME ...]

Of deep linear networks and of networks of the zoo; by default of resnet18 and mobilenet_v2, of torchvision. Ordinary
rows are compared, whose usual error an export takes its tolerance from.
"""

import sys

import numpy as np
import torch
from torch import nn

from benchmarks.single_weights import linear
from benchmarks.zoo.network import Inputs, floats, positional, seeded
from benchmarks.zoo.registry import networks
from edge_export.capture.capture import capture
from edge_export.formats.onnx_file import load_onnx, onnx_model, serialized
from edge_export.tensors import Array
from edge_export.verify.probe_inputs import ordinary
from edge_export.verify.reference import References
from edge_export.verify.sampler import Sampler


def errors(module: nn.Module, inputs: Inputs) -> tuple[Array, Array]:
    """The errors of ONNX Runtime and of torch in float32 on all elements of ordinary rows, in usual errors."""
    program = capture(module, positional(inputs(2)))
    run = load_onnx(serialized(onnx_model(program)))
    (reference,) = References(program).of_probes([ordinary(Sampler(program))])
    of_file, of_torch = [], []
    for tensors, call in zip(reference.probe.calls, reference.calls, strict=True):
        outputs = run(tensors)
        for name, tensor in call.items():
            if not tensor.is_discrete:
                of_file.append((abs(outputs[name] - tensor.float64) / tensor.usual).ravel())
                of_torch.append((tensor.torch_errors / tensor.usual).ravel())
    return np.concatenate(of_file), np.concatenate(of_torch)


def main(names: list[str]) -> None:
    """Print a line for each network."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    known = networks()
    sizes = (509, 3548, 20_000)
    cases = [(f"6 linear layers, {size:,} outputs", linear(512, 6, size).eval(), floats(64)) for size in sizes]
    cases += [(name, seeded(0, known[name].make), known[name].inputs) for name in names]
    print("| network | elements | ONNX Runtime: root mean square | largest | torch: root mean square | largest |")
    print("| --- | --- | --- | --- | --- | --- |")
    for title, module, inputs in cases:
        of_file, of_torch = errors(module, inputs)
        figures = [f"{size:.2f}" for off in (of_file, of_torch) for size in (np.sqrt(np.mean(off**2)), off.max())]
        print(f"| {title} | {of_file.size:,} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["resnet18", "mobilenet_v2"])
