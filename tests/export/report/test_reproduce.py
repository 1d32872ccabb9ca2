import copy
import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from edge_export import ParityError, export, pipeline
from edge_export.capture.program import Program
from edge_export.cli.command import main
from edge_train import CannotWrite, NeuralNet, save_checkpoint

Command = Callable[..., Any]

# The script must do without the packages of this project.
WITHOUT_US = """
import runpy, sys
sys.modules.update(dict.fromkeys(["edge_export", "edge_runtime", "edge_train"]))
runpy.run_path("reproduce.py", run_name="__main__")
"""


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter changes one weight of each file on the way."""
    build_onnx, build_torchscript = pipeline.onnx_bytes, pipeline.torchscript_bytes

    def with_one_weight_changed(program: Program) -> bytes:
        proto = onnx.load_from_string(build_onnx(program))
        weights = [(i, onnx.numpy_helper.to_array(tensor)) for i, tensor in enumerate(proto.graph.initializer)]
        place, values = next(
            (i, values.copy()) for i, values in weights if values.dtype == np.float32 and values.ndim > 1
        )
        values.flat[0] += 0.25
        proto.graph.initializer[place].raw_data = values.tobytes()
        return proto.SerializeToString()

    def traced_with_one_weight_changed(program: Program) -> bytes:
        module = copy.deepcopy(program.module)
        next(iter(module.parameters())).view(-1)[0] += 0.25
        return build_torchscript(dataclasses.replace(program, module=module))

    monkeypatch.setattr(pipeline, "onnx_bytes", with_one_weight_changed)
    monkeypatch.setattr(pipeline, "torchscript_bytes", traced_with_one_weight_changed)


class Structured(nn.Module):
    """A dict and keywords in; a dict with more than tensors out; a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, batch: dict[str, Tensor], none: None = None, *, scale: Tensor) -> dict[str, Any]:
        features = self.layer(batch["left"] + batch["right"]) * scale
        wild = torch.cond(features.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (features,))
        return {"rows": features.shape[0], "positive": features > 0, "wild": wild, "sum": features.sum()}


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.head(self.lstm(sequence)[0][:, -1])


MODULES: dict[str, tuple[Callable[[], nn.Module], Any, dict[str, Any]]] = {
    "a layer": (lambda: nn.Linear(3, 2), torch.randn(4, 3), {}),
    "structured": (
        Structured,
        {"batch": {"left": torch.randn(4, 3), "right": torch.randn(4, 3)}, "scale": torch.ones(4, 1)},
        {},
    ),
    "recurrent": (
        Recurrent,
        torch.randn(2, 5, 3),
        {"dynamic": {"sequence": ("batch", "length")}, "finite_only": True},
    ),
    "no batch": (lambda: nn.Linear(3, 2), torch.randn(3), {"dynamic": {"input": ()}}),
}


@pytest.mark.usefixtures("damaged")
@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "onnx") for name in MODULES), ("a layer", "torchscript"), ("a layer", "ort")],
)
def test_anybody_can_see_the_mismatch(tmp_path: Path, name: str, kind: str) -> None:
    torch.manual_seed(0)
    make, example, options = MODULES[name]
    folder = tmp_path / "new" / "shown"
    with pytest.raises(ParityError) as raised:
        export(make(), example, tmp_path / "model.onnx", formats=[kind], reproduce=folder, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["inputs.npz", "program.pt2", f"refused.{kind}", "reproduce.py"]
    )
    worst = raised.value.comparison.worst
    assert worst is not None

    command = [sys.executable, "-c", WITHOUT_US]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    first, values, allowed, all_of_them = map(str.strip, shown.stdout.splitlines())
    assert first == f"refused.{kind} among {worst.probe}"
    found, expected, exact = re.findall(r": ([^,\s]+)", values)
    assert values.startswith(f"{worst.output}{list(worst.index)}: ")
    assert as_number(found) == pytest.approx(worst.found, rel=1e-6, nan_ok=True)
    assert as_number(expected) == pytest.approx(worst.float32, rel=1e-6, nan_ok=True)
    assert float(exact) == pytest.approx(worst.float64, nan_ok=True)
    assert allowed == f"they may be {worst.tolerance:.3g} apart"
    assert not abs(worst.found - worst.float32) <= worst.tolerance
    assert re.fullmatch(r"[1-9]\d* of \d+ elements differ from torch in this call, by at most [\w.+]+", all_of_them)


def as_number(text: str) -> float:
    return {"True": 1.0, "False": 0.0}[text] if text in ("True", "False") else float(text)


@pytest.mark.usefixtures("damaged")
def test_command(command: Command, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_checkpoint(NeuralNet(2, 3), tmp_path / "model.pt")
    (tmp_path / "model.onnx").write_bytes(b"earlier")
    result = command(main, tmp_path / "model.pt", "--reproduce", tmp_path / "shown")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'model.onnx'} does not compute what torch computes")
    assert result.err.count("\n") == 1
    assert (tmp_path / "model.onnx").read_bytes() == b"earlier"
    assert sorted(path.name for path in (tmp_path / "shown").iterdir()) == [
        "inputs.npz",
        "program.pt2",
        "refused.onnx",
        "reproduce.py",
    ]


def test_what_holds_needs_no_folder(tmp_path: Path) -> None:
    export(nn.Linear(3, 2), torch.randn(4, 3), tmp_path / "model.onnx", reproduce=tmp_path / "shown")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.usefixtures("damaged")
def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite) as raised:
        export(nn.Linear(3, 2), torch.randn(4, 3), tmp_path / "model.onnx", reproduce=tmp_path / "file" / "shown")
    assert "no file can be written in" in str(raised.value)
    # The mismatch is not forgotten over it.
    assert isinstance(raised.value.__context__.__context__, ParityError)
