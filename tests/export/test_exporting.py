from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from edge_export import ExportError, ParityError, export_checkpoint, exporting
from edge_export.cli import main
from edge_runtime import Predictor
from edge_train import CheckpointError, NeuralNet, four_blobs, save_checkpoint, train

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def model() -> NeuralNet:
    return train(four_blobs(0)).model


@pytest.fixture
def checkpoint(model: NeuralNet, tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    save_checkpoint(model, path)
    return path


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter changes one weight on the way."""
    build, load = exporting._FORMATS["onnx"]

    def with_one_weight_changed(model: NeuralNet) -> bytes:
        proto = onnx.load_from_string(build(model))
        values = onnx.numpy_helper.to_array(proto.graph.initializer[0]).copy()
        values.flat[0] += 0.01
        proto.graph.initializer[0].raw_data = values.tobytes()
        return proto.SerializeToString()

    monkeypatch.setitem(exporting._FORMATS, "onnx", (with_one_weight_changed, load))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_from_checkpoint_to_predictions(checkpoint: Path, model: NeuralNet, tmp_path: Path) -> None:
    exports = export_checkpoint(checkpoint)
    assert [export.path for export in exports] == [tmp_path / "model.onnx", tmp_path / "model.torchscript"]
    assert names(tmp_path) == ["model.onnx", "model.pt", "model.torchscript"]
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).numpy()[:, 0]
        loaded = torch.jit.load(tmp_path / "model.torchscript")(torch.from_numpy(x)).numpy()[:, 0]
    np.testing.assert_allclose(Predictor(tmp_path / "model.onnx").predict_proba(x)[:, 1], expected, atol=1e-6)
    np.testing.assert_array_equal(loaded, expected)


def test_somebody_elses_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    parts = torch.nn.ModuleDict({"linear_1": torch.nn.Linear(3, 4), "linear_2": torch.nn.Linear(4, 1)})
    torch.save(parts.state_dict(), tmp_path / "theirs.pt")
    export_checkpoint(tmp_path / "theirs.pt", formats=["onnx"])
    row = torch.tensor([[0.5, -1.0, 2.0]])
    with torch.inference_mode():
        expected = torch.sigmoid(parts["linear_2"](torch.relu(parts["linear_1"](row)))).item()
    predictor = Predictor(tmp_path / "theirs.onnx")
    assert predictor.predict_proba(row.numpy())[0, 1] == pytest.approx(expected, abs=1e-6)
    assert [feature.name for feature in predictor.required_signature.features] == ["x1", "x2", "x3"]


def test_text_labels_reach_the_answer(command: Command, breast_cancer: Path, tmp_path: Path) -> None:
    from edge_runtime.cli import main as predict
    from edge_train.cli import main as train_command

    assert command(train_command, breast_cancer, "--target", "diagnosis", "--output", tmp_path).code == 0
    assert command(main, tmp_path / "model.pt").code == 0
    result = command(predict, tmp_path / "model.onnx", "--input", breast_cancer)
    answers = [line.split()[1] for line in result.out.splitlines()]
    truth = [line.rpartition(",")[2] for line in breast_cancer.read_text().splitlines()[1:]]
    assert len(answers) == len(truth) == 569
    assert np.mean([answer == label for answer, label in zip(answers, truth, strict=True)]) > 0.95


def test_command(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    result = command(main, checkpoint, "--output", tmp_path / "new" / "folder")
    assert result.code == 0
    assert result.err == ""
    assert names(tmp_path / "new" / "folder") == ["model.onnx", "model.torchscript"]
    assert f"wrote {tmp_path / 'new' / 'folder' / 'model.onnx'}" in result.out
    for part in ("compared with torch in float64", "rows like the training data", "1, 2, 3, 7, 37, 1024, 8191"):
        assert result.out.count(part) == 2
    assert names(tmp_path) == ["model.pt", "new"]


@pytest.mark.parametrize("chosen", ["onnx", "torchscript"])
def test_format(command: Command, checkpoint: Path, tmp_path: Path, chosen: str) -> None:
    assert command(main, checkpoint, "--format", chosen).code == 0
    assert names(tmp_path) == sorted(["model.pt", f"model.{chosen}"])


@pytest.mark.usefixtures("damaged")
def test_a_damaged_export_leaves_no_file(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    result = command(main, checkpoint)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'model.onnx'} does not compute what torch computes")
    assert "the row [" in result.err
    assert result.err.count("\n") == 1
    assert names(tmp_path) == ["model.pt"]


@pytest.mark.usefixtures("damaged")
def test_a_damaged_export_leaves_earlier_files_alone(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"earlier")
    with pytest.raises(ParityError):
        export_checkpoint(checkpoint)
    assert (tmp_path / "model.onnx").read_bytes() == b"earlier"
    assert names(tmp_path) == ["model.onnx", "model.pt"]


def test_a_checkpoint_is_not_overwritten_by_its_export(checkpoint: Path) -> None:
    odd = checkpoint.rename(checkpoint.with_suffix(".onnx"))
    before = odd.read_bytes()
    with pytest.raises(ExportError, match="would be overwritten"):
        export_checkpoint(odd)
    assert odd.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "CHECKPOINT"),
        (["model.pt", "--format", "pickle"], 2, "pickle"),
        (["model.pt", "--nothing"], 2, "--nothing"),
        (["nowhere.pt"], 1, "nowhere.pt cannot be read: No such file"),
        (["."], 1, "cannot be read"),
        (["text.pt"], 1, "text.pt is not a checkpoint"),
        (["model.pt", "--output", "text.pt"], 1, "no file can be written in text.pt"),
        (["model.pt", "--output", "/proc/nothing"], 1, "no file can be written in /proc/nothing"),
    ],
)
def test_what_cannot_be_done(
    command: Command,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(checkpoint.parent)
    Path("text.pt").write_text("text")
    result = command(main, *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert names(checkpoint.parent) == ["model.pt", "text.pt"]


def test_errors_are_of_the_one_tree(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        export_checkpoint(tmp_path / "nowhere.pt")
