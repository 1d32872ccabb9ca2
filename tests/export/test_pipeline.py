import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from edge_export import ExportError, ParityError, export, export_checkpoint, pipeline
from edge_export.capture.program import Program
from edge_export.cli.command import main
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
    build = pipeline.onnx_bytes

    def with_one_weight_changed(program: Program) -> bytes:
        proto = onnx.load_from_string(build(program))
        values = onnx.numpy_helper.to_array(proto.graph.initializer[0]).copy()
        values.flat[0] += 0.01
        proto.graph.initializer[0].raw_data = values.tobytes()
        return proto.SerializeToString()

    monkeypatch.setattr(pipeline, "onnx_bytes", with_one_weight_changed)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_from_checkpoint_to_predictions(checkpoint: Path, model: NeuralNet, tmp_path: Path) -> None:
    exports = export_checkpoint(checkpoint, formats=["onnx", "torchscript", "ort"])
    made = [tmp_path / f"model.{kind}" for kind in ("onnx", "torchscript", "ort")]
    assert [export.path for export in exports] == made
    assert names(tmp_path) == ["model.onnx", "model.ort", "model.pt", "model.torchscript"]
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).numpy()[:, 0]
        loaded = torch.jit.load(tmp_path / "model.torchscript")(torch.from_numpy(x)).numpy()[:, 0]
    for name in ("model.onnx", "model.ort"):
        predictor = Predictor(tmp_path / name, verify=True)
        np.testing.assert_allclose(predictor.predict_proba(x)[:, 1], expected, atol=1e-6)
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
    from edge_runtime.cli.command import main as predict
    from edge_train.cli.command import main as train_command

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
    for part in ("compared with torch in float64", "rows like the training data", "worst rows found by search"):
        assert result.out.count(part) == 2
    assert names(tmp_path) == ["model.pt", "new"]


@pytest.mark.parametrize("chosen", ["onnx", "torchscript", "ort"])
def test_format(command: Command, checkpoint: Path, tmp_path: Path, chosen: str) -> None:
    assert command(main, checkpoint, "--format", chosen).code == 0
    assert names(tmp_path) == sorted(["model.pt", f"model.{chosen}"])


@pytest.mark.usefixtures("damaged")
def test_a_damaged_export_leaves_no_file(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    result = command(main, checkpoint)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'model.onnx'} does not compute what torch computes")
    assert "the smallest tolerance that would pass is" in result.err
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
        ([], 2, "MODEL"),
        (["model.pt", "--precision", "int4"], 2, "int4"),
        (["model.pt", "--max-flips", "2"], 2, "--max-flips"),
        (["model.pt", "--dynamic", "x"], 2, "--dynamic are for --module"),
        (["model.pt", "--module", "a:b", "--example", "x.npz", "--dynamic", "x"], 2, "write it as name=axis,axis"),
        (["model.pt", "--precision", "int8"], 1, "int8 is calibrated on rows"),
        (["model.pt", "--precision", "int8", "--data", "nowhere.csv"], 1, "nowhere.csv cannot be read: No such file"),
        (["model.pt", "--precision", "int8", "--data", "text.pt"], 1, "text.pt line 1"),
        (["model.pt", "--report", "."], 1, "is a folder"),
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


def table(path: Path, rows: np.ndarray) -> Path:
    path.write_text("x1,x2\n" + "".join(f"{a},{b}\n" for a, b in rows.tolist()))
    return path


def test_lower_precisions(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv", four_blobs(0).train.inputs["x"])
    arguments = [part for name in ("float16", "int8", "int8-dynamic") for part in ("--precision", name)]
    result = command(main, checkpoint, "--data", data, "--format", "onnx", "--format", "ort", *arguments)
    assert (result.code, result.err) == (0, "")
    for name in ("float16", "int8", "int8-dynamic"):
        for kind in ("onnx", "ort"):
            path = tmp_path / f"model.{name}.{kind}"
            predictor = Predictor(path, device="cpu", verify=True)
            assert predictor.certificate is not None
            assert predictor.certificate.precision == name
            assert predictor.certificate.budget is not None
            assert predictor.certificate.budget["rows"] == 40  # the other half calibrates
            assert f"wrote {path}" in result.out
    assert "than float32" in result.out
    assert not (tmp_path / "model.onnx").exists()


def test_a_budget_that_does_not_hold_leaves_no_file(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv", four_blobs(0).train.inputs["x"])
    before = names(tmp_path)
    result = command(main, checkpoint, "--data", data, "--precision", "int8", "--max-change", "0")
    assert (result.code, result.out) == (1, "")
    assert "int8 changes an output by" in result.err
    assert result.err.count("\n") == 1
    assert names(tmp_path) == before


def test_what_the_certificate_says(checkpoint: Path, model: NeuralNet, tmp_path: Path) -> None:
    (export,) = export_checkpoint(checkpoint)
    certificate = Predictor(export.path).certificate
    assert certificate is not None
    assert certificate.hashes["checkpoint"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert certificate.hashes["training_data"] == four_blobs(0).training_sha256 == model.data_sha256
    assert certificate.versions["torch"] == torch.__version__
    assert [each["kind"] for each in certificate.comparisons] == [
        comparison.probe.kind for comparison in export.comparisons
    ]
    assert {batch.kind for batch in certificate.reference} == {each["kind"] for each in certificate.comparisons}
    assert export.path.stat().st_size < 32 * 1024


def test_the_same_checkpoint_gives_the_same_file_in_another_process(checkpoint: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, threads in zip(folders, ("1", "2"), strict=True):
        command = [sys.executable, "-m", "edge_export", str(checkpoint), "--output", str(folder), "--format", "onnx"]
        command += ["--format", "ort"]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": threads})
    for name in ("model.onnx", "model.ort"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_torchscript_that_does_not_hold_does_not_stop_onnx(tmp_path: Path) -> None:
    class Growing(torch.nn.Module):
        """Tracing fixes how often the loop runs."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(x.shape[0] if torch.jit.is_tracing() else 4):
                x = x + 1
            return x

    notes: list[str] = []
    exports = export(
        Growing(), torch.zeros(3, 2), tmp_path / "m.onnx", formats=["onnx", "torchscript"], note=notes.append
    )
    assert [made.path.name for made in exports] == names(tmp_path) == ["m.onnx"]
    assert len(notes) == 1
    assert "m.torchscript is not made" in notes[0]
    with pytest.raises(ParityError):
        export(Growing(), torch.zeros(3, 2), tmp_path / "m.onnx", formats=["torchscript"])


def test_torchscript_that_fails_on_some_calls_does_not_stop_onnx(tmp_path: Path) -> None:
    class Fixed(torch.nn.Module):
        """Tracing keeps the size of the example."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(3 if torch.jit.is_tracing() else x.shape[0], 2, 2)

    notes: list[str] = []
    exports = export(Fixed(), torch.ones(3, 4), tmp_path / "m.onnx", formats=["onnx", "torchscript"], note=notes.append)
    assert [made.path.name for made in exports] == names(tmp_path) == ["m.onnx"]
    assert "it fails on inputs of the shapes" in notes[0]
    assert "\n" not in notes[0]


def test_data_that_the_module_fails_on_is_an_error(tmp_path: Path) -> None:
    class Square(torch.nn.Module):
        def forward(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
            if table.shape[0] == 7:
                raise ValueError("seven rows")
            return x + table

    data = {"x": np.ones((7, 2), np.float32), "table": np.ones((7, 2), np.float32)}
    for precision in ("float32", "float16"):
        with pytest.raises(ExportError, match="the module itself fails on the data: ValueError: seven rows"):
            export(
                Square(), (torch.ones(3, 2), torch.ones(3, 2)), tmp_path / "m.onnx", data=data, precisions=[precision]
            )
    assert names(tmp_path) == []


def test_what_onnx_runtime_cannot_load_is_said_of_the_export() -> None:
    with pytest.raises(ExportError, match="ONNX Runtime cannot load what was made of this module") as raised:
        pipeline.load_onnx(b"no model")
    assert "edge-export makes one" not in str(raised.value)


class Places(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.nonzero()


class Company(torch.nn.Module):
    """Takes no row alone, as what it gives depends on the rows beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(3, track_running_stats=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def test_an_output_whose_size_depends_on_values(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="how many elements output has depends on how float32 rounds"):
        export(Places(), torch.randn(4, 3), tmp_path / "m.onnx")
    assert names(tmp_path) == []


def test_a_module_that_takes_no_row_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    (made,) = export(Company(), torch.randn(4, 3), tmp_path / "m.onnx")
    assert Predictor(made.path).verify().passed


def test_a_branch_beyond_the_sizes_of_the_example_is_found(tmp_path: Path) -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.shape[0] <= 5 else -x

    with pytest.raises(ParityError, match="does not compute what torch computes"):
        export(Branching(), torch.ones(3, 2), tmp_path / "m.onnx")
    assert names(tmp_path) == []


def test_a_failing_export_leaves_nothing_of_several_formats(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: bytes) -> bytes:
        raise ExportError("the disk is full")

    monkeypatch.setattr(pipeline, "ort_bytes", full)
    with pytest.raises(ExportError, match="the disk is full"):
        export_checkpoint(checkpoint, formats=["onnx", "ort"])
    assert names(tmp_path) == ["model.pt"]
