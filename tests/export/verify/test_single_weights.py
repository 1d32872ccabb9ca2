"""A weight changed a little is refused, and deep networks that nothing was done to are not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from exports import onnx_bytes
from layers import layer, rows
from tiers import mostly_slow
from torch import nn

from edge_export import ParityError, export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import load_onnx
from edge_export.tensors import Tensors
from edge_export.verify.compare import compare
from edge_export.verify.comparison import Comparison
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.probe_kinds import EXTREME
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.sampler import Sampler
from edge_train import Network


def references_of(program: Program) -> list[ProbeReference]:
    torch_side = References(program)
    return torch_side.of_probes(all_probe_inputs(Sampler(program), torch_side.exact))


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
    known = references_of(program)
    content = onnx_bytes(program)
    compare(load_onnx(content), known, program, "unchanged")
    with pytest.raises(ParityError):
        compare(load_onnx(changed_weight(content, "14.bias", 7, 1.001)), known, program, "changed")


class Detector(nn.Module):
    """Boxes in pixels beside scores, in one output."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.box, self.score = nn.Linear(64, 4), nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.features(x)
        return torch.cat([self.box(found) * 1e4, self.score(found).sigmoid() * 1e-3], 1)


def test_small_numbers_beside_large_ones_are_held_to_their_own_size() -> None:
    torch.manual_seed(0)
    program = capture(Detector(), torch.randn(2, 3, 64, 64))
    known = references_of(program)
    content = onnx_bytes(program)
    compare(load_onnx(content), known, program, "unchanged")
    with pytest.raises(ParityError):
        compare(load_onnx(changed_weight(content, "score.bias", 0, 1.01)), known, program, "changed")


def test_a_bound_that_was_dropped_is_refused() -> None:
    """Only extreme rows come to it, and nothing overflows on the way."""
    torch.manual_seed(0)
    program = capture(nn.Sequential(nn.Linear(8, 32), nn.ReLU6(), nn.Linear(32, 2)), torch.randn(4, 8))
    known = references_of(program)
    unbound = nn.Sequential(program.module[0], nn.ReLU(), program.module[2])  # type: ignore[index]
    compare(lambda tensors: program.call(program.module, tensors), known, program, "unchanged")
    with pytest.raises(ParityError, match="among extreme rows"):
        compare(lambda tensors: program.call(unbound, tensors), known, program, "changed")


def bounded_on_extreme_rows(program: Program) -> Comparison:
    """How a file does that gives a large number in place of infinity."""

    def run(tensors: Tensors) -> Tensors:
        return {"output": np.nan_to_num(program.run(tensors)["output"], posinf=3e38)}

    (extreme,) = [each for each in compare(run, references_of(program), program, "it") if each.probe.kind == EXTREME]
    return extreme


def test_numbers_that_overflow_are_reported() -> None:
    program = capture(nn.Sequential(nn.Linear(8, 4), Sixth()), torch.randn(4, 8))
    extreme = bounded_on_extreme_rows(program)
    assert not extreme.holds
    assert not extreme.is_required


class Sixth(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x**6


def test_scalars_have_no_rows() -> None:
    program = capture(Sixth(), torch.tensor(2.0))
    assert not bounded_on_extreme_rows(program).is_required


def test_random_numbers_in_a_few_rows_are_not_taken_for_roundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph draws them too, and is as far off as the module."""
    monkeypatch.setattr("edge_export.verify.reference.COSTLY", 0.0)  # so that no draws of roundings hide them
    program = capture(layer(lambda self, x: torch.where(x > 5, nn.functional.dropout(x), x)), rows(8, 3))
    references = References(program)
    references.of_probes(all_probe_inputs(Sampler(program), references.exact))
    found = references.of_call({"x": np.full((64, 3), 6, np.float32)})["output"]
    assert np.broadcast_to(found.unexplained, found.float64.shape)[found.torch_errors > 1].all()
