"""The command edge-export: what it writes, what it prints, and how it ends."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import assert_one_line
from exports import the_one
from torch import nn

from edge_export import Export
from edge_export.cli.command import main
from edge_export.pipeline import export as pipeline
from edge_runtime import CannotWrite, Predictor, __version__
from edge_runtime.cli.command import main as predict
from edge_runtime.contract.file_locks import locked
from edge_train import four_blobs
from edge_train.cli.command import main as edge_train

Command = Callable[..., Any]


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(trained.read_bytes())
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_line_a_file(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    result = command(main, checkpoint, "--output", folder)
    assert (result.code, result.err) == (0, "")
    assert names(folder) == ["model.onnx", "model.torchscript"]
    assert names(tmp_path) == ["model.pt", "new"]
    onnx, torchscript = result.out.splitlines()
    for line, name in ((onnx, "model.onnx"), (torchscript, "model.torchscript")):
        kilobytes = f"{(folder / name).stat().st_size / 1e3:.0f} kB"
        assert line.startswith(f"{folder / name} {kilobytes}: verified against torch on ")
        assert line.endswith("% of its tolerance")


def test_another_export_of_the_same_files(
    command: Command, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with locked([Path("model.onnx"), Path("model.pt")]):
        result = command(main, "model.pt", "--format", "ort", "--format", "onnx")
        assert_one_line(result, 1, f"another run (process {os.getpid()}) is writing model.onnx; wait until it has")
        with pytest.raises(CannotWrite, match="is writing"):
            pipeline.export_checkpoint("model.pt")
        # Another file in the same folder, beside a run that trains the model anew.
        assert command(main, "model.pt", "--format", "torchscript").code == 0
    assert names(tmp_path) == ["model.pt", "model.torchscript"]


@pytest.mark.skipif(os.name == "nt", reason="devices are POSIX")
def test_a_report_into_a_device(command: Command, checkpoint: Path) -> None:
    result = command(main, checkpoint, "--format", "onnx", "--report", "/dev/null")
    assert (result.code, result.err) == (0, "")
    assert not Path("/dev/null").is_file()
    result = command(main, checkpoint, "--format", "onnx", "--report", "/dev/full")
    assert_one_line(result, 1, "/dev/full cannot be written: No space left on device")


def test_details(command: Command, checkpoint: Path) -> None:
    result = command(
        main, checkpoint, "--details", "--format", "onnx", "--precision", "float32", "--precision", "float16"
    )
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line.partition(":")[0] for line in lines[-4:]] == ["calls", "tolerance used", "decided", "excluded"]
    files = [place for place, line in enumerate(lines[:-4]) if not line.startswith("  ")]
    assert [lines[place].split()[0].rpartition("/")[2] for place in files] == ["model.onnx", "model.float16.onnx"]
    float32, float16 = lines[1 : files[1]], lines[files[1] + 1 : -4]
    assert float32[0].startswith("  compared with torch in float64  ")
    assert [line[2:30].strip() for line in float32[1:]] == [
        "rows like the training data",
        "rows on the decision boundar",
        "extreme rows",
        "rows with NaN or infinity",
        "worst rows found by search",
    ]
    assert [line.split("  ")[1] for line in float16][:3] == ["rows", "labels that differ", "largest change"]


@pytest.mark.parametrize("chosen", ["torchscript", "ort"])
def test_format(command: Command, checkpoint: Path, tmp_path: Path, chosen: str) -> None:
    assert command(main, checkpoint, "--format", chosen).code == 0
    assert names(tmp_path) == sorted(["model.pt", f"model.{chosen}"])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, example_exports: list[Export]) -> list[dict[str, Any]]:
    """What the command asks of the library, which answers with files that were made before."""
    asked: list[dict[str, Any]] = []

    def export_checkpoint(checkpoint: Path, *places: Any, **options: Any) -> list[Export]:
        asked.append({"places": places, **options})
        return [the_one(example_exports, "onnx")]

    monkeypatch.setattr(pipeline, "export_checkpoint", export_checkpoint)
    return asked


def test_options_reach_the_library(
    command: Command, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[dict[str, Any]]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("rows.csv", "example.npz"):
        (tmp_path / name).touch()
    assert command(main, "model.pt").code == 0
    assert calls[0]["places"] == (None, None, None, {})
    assert (calls[0]["formats"], calls[0]["precisions"]) == (["onnx", "torchscript"], ["float32"])
    assert not {"data", "report", "reproduce"} & set(calls[0])
    assert not calls[0]["finite_only"]
    assert calls[0]["opset"] == 18

    arguments = "model.pt --output out --format ort --format onnx --precision int8 --precision float32 --data rows.csv "
    arguments += "--max-flips 0.2 --max-change 0.3 --module net:Net --example example.npz --dynamic ids=batch,_,length "
    arguments += "--dynamic scale= --finite --opset 20 --report report.html --reproduce shown"
    assert command(main, *arguments.split()).code == 0
    given = calls[1]
    axes = {"ids": ["batch", None, "length"], "scale": [None]}
    assert given["places"] == (Path("out"), "net:Net", Path("example.npz"), axes)
    # In the order of the choices, whatever the order at the shell.
    assert (given["formats"], given["precisions"]) == (["onnx", "ort"], ["float32", "int8"])
    assert (given["budget"].flips, given["budget"].change, given["finite_only"]) == (0.2, 0.3, True)
    assert given["opset"] == 20
    assert (given["data"], given["report"], given["reproduce"]) == (
        Path("rows.csv"),
        Path("report.html"),
        Path("shown"),
    )
    assert "page" not in given


def test_names_from_files_stay_on_their_line(
    command: Command, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, calls: list[dict[str, Any]]
) -> None:
    def noted(checkpoint: Path, *places: Any, **options: Any) -> list[Export]:
        options["note"]("model.torchscript is not made: a\nname\x1b[31m")
        return []

    monkeypatch.setattr(pipeline, "export_checkpoint", noted)
    result = command(main, checkpoint)
    assert (result.code, result.out) == (0, "")
    assert result.err == "model.torchscript is not made: a\\nname\\x1b[31m\n"


def test_version(command: Command) -> None:
    result = command(main, "--version")
    assert (result.code, result.out, result.err) == (0, f"edge-export {__version__}\n", "")


def test_help(command: Command) -> None:
    result = command(main, "--help")
    assert (result.code, result.err) == (0, "")
    for option in (
        "--output",
        "--format",
        "--precision",
        "--data",
        "--max-flips",
        "--details",
        "--version",
        "--dynamic",
    ):
        assert option in result.out
    assert max(map(len, result.out.splitlines())) <= 100


def test_a_checkpoint_that_cannot_be_read(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("text")
    result = command(main, tmp_path / "text.pt")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'text.pt'} is not a checkpoint")
    assert result.err.count("\n") == 1
    assert names(tmp_path) == ["text.pt"]


def test_data(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x1,x2\n1,two\n")
    result = command(main, checkpoint, "--format", "onnx", "--data", tmp_path / "rows.csv")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'rows.csv'} line 2: x2: 'two' is not a number")
    assert names(tmp_path) == ["model.pt", "rows.csv"]
    (tmp_path / "rows.csv").write_text("x1,x2\n1,2\n0.3,-4\n")
    result = command(main, checkpoint, "--format", "onnx", "--details", "--data", tmp_path / "rows.csv")
    assert (result.code, result.err) == (0, "")
    assert "rows like the data" in result.out


def test_a_budget_that_does_not_hold_leaves_no_file(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    rows = four_blobs(0).train.inputs["x"]
    (tmp_path / "rows.csv").write_text("x1,x2\n" + "".join(f"{a},{b}\n" for a, b in rows.tolist()))
    before = names(tmp_path)
    result = command(main, checkpoint, "--data", tmp_path / "rows.csv", "--precision", "int8", "--max-change", "0")
    assert (result.code, result.out) == (1, "")
    assert "int8 changes an output by" in result.err
    assert result.err.count("\n") == 1
    assert names(tmp_path) == before


def test_the_same_checkpoint_gives_the_same_files_in_another_process(
    trained: Path, tmp_path: Path, example_exports: list[Export]
) -> None:
    """And with another number of threads."""
    np.savez(tmp_path / "rows.npz", x=four_blobs(0).train.inputs["x"])
    command = [sys.executable, "-m", "edge_export", str(trained), "--output", str(tmp_path)]
    command += ["--format", "onnx", "--format", "ort", "--data", str(tmp_path / "rows.npz")]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert result.stderr == ""
    for kind in ("onnx", "ort"):
        assert (tmp_path / f"model.{kind}").read_bytes() == the_one(example_exports, kind).content
        assert f"model.{kind}" in result.stdout


@pytest.mark.slow
def test_labels_reach_the_answer(command: Command, breast_cancer: Path, tmp_path: Path) -> None:
    assert command(edge_train, breast_cancer, "--target", "diagnosis", "--output", tmp_path).code == 0
    assert command(main, tmp_path / "model.pt").code == 0
    assert Predictor(tmp_path / "model.onnx", verify=True).signature is not None
    result = command(predict, tmp_path / "model.onnx", "--input", breast_cancer)
    answers = [line.split()[1] for line in result.out.splitlines()]
    expected = [line.rpartition(",")[2] for line in breast_cancer.read_text().splitlines()[1:]]
    assert len(answers) == len(expected) == 569
    assert np.mean([answer == label for answer, label in zip(answers, expected, strict=True)]) > 0.95


def test_ranges_of_inputs(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_ranges.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def forward(self, x, n):\n"
        "        if not torch.compiler.is_exporting() and n.min() < 2:\n"
        "            raise ValueError('n is at least 2')\n"
        "        return x / n\n"
    )
    import torch

    torch.save({}, "weights.pt")
    np.savez("inputs.npz", x=np.ones((4, 2), np.float32), n=np.array([[2, 3]] * 4))
    common = ("weights.pt", "--module", "own_ranges:Net", "--example", "inputs.npz", "--format", "onnx")
    result = command(main, *common, "--ranges", "n=2:9,-4:-3", "--ranges", "x=-0.5:1e3")
    assert result.code == 1
    assert "ranges: the module fails with n at 2, -4, an end of its range: ValueError: n is at least 2" in result.err
    assert not Path("weights.onnx").exists()
    result = command(main, *common, "--ranges", "n=2:9", "--ranges", "x=-0.5:1e3")
    assert (result.code, result.err) == (0, "")
    assert Predictor("weights.onnx", verify=True).run({"x": [[2, 4]], "n": [[2, 2]]})["output"].tolist() == [[1, 2]]


def test_labels(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From weights and a file of labels to labels and probabilities at the shell."""
    (tmp_path / "images_of_digits.py").write_text(
        "from torch import nn\n\n\ndef network():\n    return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    torch.save(module.state_dict(), "digits.pt")
    images = np.random.default_rng(0).normal(size=(4, 1, 3, 4)).astype(np.float32)
    np.savez("images.npz", input=images)
    Path("labels.txt").write_text("zero\none\ntwo\n")
    words = ["digits.pt", "--module", "images_of_digits:network", "--example", "images.npz", "--format", "onnx"]
    assert command(main, *words, "--labels", "labels.txt", "--from-logits").code == 0
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).softmax(1)
    answers = command(predict, "digits.onnx", "--input", "images.npz", "--top", 1)
    assert answers.out.splitlines() == [
        f"label {('zero', 'one', 'two')[int(row.argmax())]}  probability {row.max():.4f}" for row in expected
    ]
    assert_one_line(command(main, *words, "--labels", "labels.txt"), 1, "does not hold probabilities", "--from-logits")
    Path("labels.txt").write_text("zero\none\n")
    assert_one_line(
        command(main, *words, "--labels", "labels.txt", "--from-logits"), 1, "2 labels", "3 columns", "which need 3"
    )
    Path("labels.txt").write_text("one\ntwo\none\n")
    assert_one_line(
        command(main, *words, "--labels", "labels.txt", "--from-logits"), 2, "the label 'one' is there twice"
    )
    assert command(predict, "digits.onnx", "--input", "images.npz", "--top", 1) == answers


def test_labels_for_a_table(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\n")
    result = command(main, checkpoint, "--labels", tmp_path / "labels.txt")
    assert_one_line(result, 1, "the module has a signature, which names its labels; drop --labels")
