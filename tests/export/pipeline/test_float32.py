"""float32 files: TorchScript is the second format, and a mismatch is shown if a folder is given."""

from pathlib import Path
from typing import Any

import pytest
import torch
from layers import layer, rows
from torch import Tensor, nn

from edge_export import ExportError, ParityError, export
from edge_export.pipeline import float32
from edge_export.verify.probe_kinds import SEARCHED


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_tracing() -> bool:
    tracing: bool = torch._C._get_tracing_state() is not None
    return tracing


def grows(self: object, x: Tensor) -> Tensor:
    """Tracing fixes how often the loop runs."""
    for _ in range(x.shape[0] if is_tracing() else 4):
        x = x + 1
    return x


def reshapes(self: object, x: Tensor) -> Tensor:
    """Tracing keeps the size of the example."""
    return x.reshape(3 if is_tracing() else x.shape[0], 2, 2)


@pytest.mark.parametrize(
    ("forward", "example", "message"),
    [
        (grows, torch.zeros(3, 2), "does not compute what torch computes"),
        (reshapes, torch.ones(3, 4), "it fails on inputs of the shapes"),
    ],
)
def test_torchscript_that_does_not_hold_does_not_stop_onnx(
    tmp_path: Path, forward: Any, example: Tensor, message: str
) -> None:
    notes: list[str] = []
    exports = export(layer(forward), example, tmp_path / "m.onnx", formats=["onnx", "torchscript"], note=notes.append)
    assert [made.path.name for made in exports] == names(tmp_path) == ["m.onnx"]
    assert len(notes) == 1
    assert notes[0].startswith(f"{tmp_path / 'm.torchscript'} is not made: ")
    assert message in notes[0]
    assert "\n" not in notes[0]


def test_torchscript_that_does_not_hold_and_is_all_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"m\.torchscript does not compute what torch computes"):
        export(layer(grows), torch.zeros(3, 2), tmp_path / "m.onnx", formats=["torchscript"])
    with pytest.raises(ExportError, match="TorchScript cannot hold this module: it fails on inputs of the shapes"):
        export(layer(reshapes), torch.ones(3, 4), tmp_path / "m.onnx", formats=["torchscript"])
    assert names(tmp_path) == []


def test_a_note_is_a_warning_if_nobody_takes_it(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"m\.torchscript is not made: "):
        export(layer(grows), torch.zeros(3, 2), tmp_path / "m.onnx", formats=["onnx", "torchscript"])


def test_the_worst_rows_are_among_the_comparisons_and_the_reference_rows(tmp_path: Path) -> None:
    (made,) = export(nn.Linear(3, 2), rows(), tmp_path / "m.onnx")
    assert made.comparisons[-1].probe.kind == SEARCHED
    assert made.certificate is not None
    assert SEARCHED in {batch.kind for batch in made.certificate.reference}
    assert made.certificate.budget is None
    assert made.measured is None


def test_worst_rows_that_fail_refuse_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong on one row that only the search finds."""
    found: list[bool] = []
    load, search = float32.load_onnx, float32.worst_rows  # type: ignore[attr-defined]

    def load_onnx(content: bytes) -> Any:
        run = load(content)
        return lambda tensors: {name: values + 1.0 * bool(found) for name, values in run(tensors).items()}

    def worst_rows(*arguments: Any) -> Any:
        worst = search(*arguments)
        found.append(True)
        return worst

    monkeypatch.setattr(float32, "load_onnx", load_onnx)
    monkeypatch.setattr(float32, "worst_rows", worst_rows)
    with pytest.raises(ParityError, match=f"among {SEARCHED}"):
        export(nn.Linear(3, 2), rows(), tmp_path / "m.onnx")
    assert names(tmp_path) == []


def test_what_holds_needs_no_folder_that_shows_it(tmp_path: Path) -> None:
    export(nn.Linear(3, 2), rows(), tmp_path / "m.onnx", formats=["torchscript"], reproduce=tmp_path / "shown")
    assert names(tmp_path) == ["m.torchscript"]
