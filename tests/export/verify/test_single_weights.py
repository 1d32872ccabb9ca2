"""A weight changed a little is refused, and deep networks that nothing was done to are not."""

from pathlib import Path

import onnx
import pytest
import torch
from exports import onnx_bytes
from tiers import mostly_slow
from torch import nn

from edge_export import ParityError, export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import load_onnx
from edge_export.verify.compare import compare
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.sampler import Sampler
from edge_train import Network


def changed_weight(content: bytes, name: str, index: int, factor: float) -> bytes:
    proto = onnx.load_from_string(content)
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.flat[index] *= factor
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    changed: bytes = proto.SerializeToString()
    return changed


@pytest.mark.parametrize(("factor", "refused_at_least"), mostly_slow([(1.01, 21), (1.001, 19)], [(1.01, 21)]))
def test_any_one_weight_changed_is_refused(
    model: Network, program: Program, references: list[ProbeReference], factor: float, refused_at_least: int
) -> None:
    """Each of the 21 weights in turn; a smaller change may move no row by more than float32's own error."""
    content = onnx_bytes(program)
    compare(load_onnx(content), references, program, "unchanged")
    refused = 0
    for name, parameter in model.named_parameters():
        for index in range(parameter.numel()):
            try:
                compare(load_onnx(changed_weight(content, name, index, factor)), references, program, "changed")
            except ParityError:
                refused += 1
    assert refused >= refused_at_least


def deep(layers: int, width: int, outputs: int) -> nn.Module:
    torch.manual_seed(0)
    hidden = [layer for _ in range(layers) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), *hidden, nn.Linear(width, outputs))


@pytest.mark.parametrize(
    ("layers", "width", "outputs"),
    mostly_slow([(6, 512, 20_000), (30, 128, 5_000), (3, 1024, 50_000)], [(6, 512, 20_000)]),
)
def test_a_deep_network_is_not_refused_by_chance(tmp_path: Path, layers: int, width: int, outputs: int) -> None:
    """Among so many elements some are drawn to be exact every time."""
    (made,) = export(deep(layers, width, outputs), torch.randn(2, 64), tmp_path / "m.onnx")
    assert all(comparison.holds for comparison in made.comparisons if comparison.probe.is_required)


def test_a_wrong_weight_in_a_deep_network_is_refused() -> None:
    module = deep(6, 512, 2_000)
    program = capture(module, torch.randn(2, 64))
    torch_side = References(program)
    known = torch_side.of_probes(all_probe_inputs(Sampler(program), torch_side.exact))
    content = onnx_bytes(program)
    compare(load_onnx(content), known, program, "unchanged")
    with pytest.raises(ParityError):
        compare(load_onnx(changed_weight(content, "14.bias", 7, 1.001)), known, program, "changed")
