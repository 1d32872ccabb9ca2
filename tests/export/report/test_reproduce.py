"""A folder that shows a mismatch to anybody, with torch and ONNX Runtime alone."""

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
from layers import layer, rows
from onnx import ModelProto
from table_module import STRINGS, Table, example
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export import ParityError, export
from edge_export.capture.program import Program
from edge_export.cli.command import main
from edge_export.formats.onnx_file import onnx_model
from edge_export.formats.string_inputs import with_string_inputs
from edge_export.formats.torchscript_file import torchscript_bytes
from edge_export.pipeline import certified, float32
from edge_export.pipeline import export as pipeline
from edge_export.verify.comparison import Element
from edge_runtime import Signature
from edge_runtime.contract.category_codes import encode
from edge_runtime.contract.errors import CannotWrite
from edge_train import NeuralNet, save_checkpoint

Command = Callable[..., Any]
FILES = ["inputs.npz", "program.pt2", "reproduce.py"]

# The script must do without the packages of this project.
WITHOUT_US = """
import runpy, sys
sys.modules.update(dict.fromkeys(["edge_export", "edge_runtime", "edge_train"]))
runpy.run_path("reproduce.py", run_name="__main__")
"""


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter changes one weight of each file on the way."""

    def with_one_weight_changed(*given: Any, **options: Any) -> ModelProto:
        model = onnx_model(*given, **options)
        weights = [(i, onnx.numpy_helper.to_array(tensor)) for i, tensor in enumerate(model.graph.initializer)]
        place, values = next(
            (i, values.copy()) for i, values in weights if values.dtype == np.float32 and values.ndim > 1
        )
        values.flat[0] += 0.25
        model.graph.initializer[place].raw_data = values.tobytes()
        return model

    def traced_with_one_weight_changed(program: Program) -> bytes:
        module = copy.deepcopy(program.module)
        next(iter(module.parameters())).view(-1)[0] += 0.25
        return torchscript_bytes(dataclasses.replace(program, module=module))

    monkeypatch.setattr(pipeline, "onnx_model", with_one_weight_changed)
    monkeypatch.setattr(float32, "torchscript_bytes", traced_with_one_weight_changed)


@pytest.fixture
def wrong_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two categories change places in the file's encoder."""

    def swapped(model: ModelProto, signature: Signature | None, _: object) -> ModelProto:
        changed = with_string_inputs(model, signature)
        node = next(node for node in changed.graph.node if node.op_type == "LabelEncoder")
        keys = next(attribute for attribute in node.attribute if attribute.name == "keys_strings").strings
        keys[2], keys[3] = keys[3], keys[2]
        return changed

    monkeypatch.setattr(certified, "with_string_inputs", swapped)


def refused(folder: Path, module: nn.Module, given: Any, kind: str, **options: Any) -> Element:
    """The worst element of an export that is refused and shown in `folder`."""
    with pytest.raises(ParityError) as raised:
        export(module, given, folder.parent / "model.onnx", formats=[kind], reproduce=folder, **options)
    worst = raised.value.comparison.worst
    assert worst is not None
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, f"refused.{kind}"])
    return worst


def shown(folder: Path, code: str) -> list[str]:
    """What a fresh interpreter prints in `folder`."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return [line.strip() for line in result.stdout.splitlines()]


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

    def forward(self, sequence: Tensor) -> Any:
        return self.head(self.lstm(sequence)[0][:, -1])


MODULES: dict[str, tuple[Callable[[], nn.Module], Any, dict[str, Any]]] = {
    "a layer": (lambda: nn.Linear(3, 2), rows(), {}),
    "structured": (Structured, {"batch": {"left": rows(), "right": rows()}, "scale": torch.ones(4, 1)}, {}),
    "recurrent": (Recurrent, rows(2, 5, 3), {"dynamic": {"sequence": ("batch", "length")}, "finite_only": True}),
    "no batch": (lambda: nn.Linear(3, 2), rows(3), {"dynamic": {"input": ()}}),
}
KINDS = [*((name, "onnx") for name in MODULES), ("a layer", "torchscript"), ("a layer", "ort")]


@pytest.mark.usefixtures("damaged")
@pytest.mark.parametrize(("name", "kind"), mostly_slow(KINDS, [("a layer", "onnx")]))
def test_anybody_can_see_the_mismatch(tmp_path: Path, name: str, kind: str) -> None:
    torch.manual_seed(0)
    make, given, options = MODULES[name]
    worst = refused(tmp_path / "new" / "shown", make(), given, kind, **options)
    first, values, tolerance, all_of_them = shown(tmp_path / "new" / "shown", WITHOUT_US)
    assert first == f"refused.{kind} among {worst.kind}"
    found, expected, exact = re.findall(r": ([^,\s]+)", values)
    assert values.startswith(f"{worst.output}{list(worst.index)}: ")
    assert as_number(found) == pytest.approx(worst.found, rel=1e-6, nan_ok=True)
    assert as_number(expected) == pytest.approx(worst.float32, rel=1e-6, nan_ok=True)
    assert float(exact) == pytest.approx(worst.float64, nan_ok=True)
    assert tolerance == f"the tolerance is {worst.tolerance:.3g}"
    assert not abs(worst.found - worst.float32) <= worst.tolerance
    assert re.fullmatch(r"[1-9]\d* of \d+ elements differ from torch in this call, by at most [\w.+]+", all_of_them)


def as_number(text: str) -> float:
    return {"True": 1.0, "False": 0.0}[text] if text in ("True", "False") else float(text)


@pytest.mark.slow
@pytest.mark.usefixtures("damaged", "wrong_strings")
@pytest.mark.parametrize("kind", ["onnx", "torchscript", "ort"])
def test_a_mismatch_of_strings(tmp_path: Path, kind: str) -> None:
    module = Table("regression")
    worst = refused(tmp_path / "new" / "shown", module, example(module), kind)
    assert_strings(tmp_path / "new" / "shown", worst)
    _, values, _, _ = shown(tmp_path / "new" / "shown", WITHOUT_US)
    found, expected = re.findall(r"value\[\d+, 0\]: ([\d.]+), torch: ([\d.]+),", values)[0]
    assert (float(found), float(expected)) == pytest.approx((worst.found, worst.float32), rel=1e-6)


@pytest.mark.usefixtures("wrong_strings")
def test_strings_are_shown_as_the_file_takes_them(tmp_path: Path) -> None:
    module = Table("regression")
    worst = refused(tmp_path / "new" / "shown", module, example(module), "onnx")
    assert_strings(tmp_path / "new" / "shown", worst)
    assert "with the strings that torch is given the codes of" in (tmp_path / "new/shown/reproduce.py").read_text()


def assert_strings(folder: Path, worst: Element) -> None:
    assert worst.inputs[1].startswith("text ['")
    inputs = np.load(folder / "inputs.npz", allow_pickle=False)
    np.testing.assert_array_equal(encode(inputs["text"].astype(object), STRINGS), worst.tensors["text"])
    given = torch.export.load(folder / "program.pt2").example_inputs
    assert given is not None
    codes = next(tensor for tensor in (*given[0], *given[1].values()) if tensor.dtype == torch.int64)
    np.testing.assert_array_equal(codes, worst.tensors["text"])


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
    assert sorted(path.name for path in (tmp_path / "shown").iterdir()) == sorted([*FILES, "refused.onnx"])


@pytest.mark.usefixtures("damaged")
def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    module = layer(lambda self, x: self.layer(x))
    with pytest.raises(CannotWrite, match="file is a file, not a folder") as raised:
        export(module, rows(), tmp_path / "model.onnx", reproduce=tmp_path / "file" / "shown")
    # The mismatch is not forgotten over it.
    reasons = []
    reason: BaseException | None = raised.value
    while reason is not None:
        reasons.append(type(reason))
        reason = reason.__context__
    assert ParityError in reasons
