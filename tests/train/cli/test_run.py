"""From rows to files: what is printed, measured and written."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from terminals import Terminal

from edge_runtime.contract.progress import Progress
from edge_train import (
    Dataset,
    DeviceUnavailable,
    NeuralNet,
    TableNet,
    TrainingRun,
    four_blobs,
    load_checkpoint,
    measure,
    train,
)
from edge_train.cli import run as run_module
from edge_train.cli.command import main
from edge_train.cli.data import TableOptions, table_dataset
from edge_train.cli.outputs import Outputs
from edge_train.cli.run import choose_device, run
from edge_train.loop.settings import EXAMPLE_DEFAULTS

Command = Callable[..., Any]


def test_the_example(command: Command) -> None:
    result = command(main)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "80 rows to train, 20 to test, 2 features, classes 0 and 1"
    assert re.fullmatch(r"test loss before training 0\.\d{3}", lines[1])
    epochs = [re.fullmatch(r"epoch +(\d+)  training loss (\d\.\d{3})", line) for line in lines[2:22]]
    assert [int(match[1]) for match in epochs if match] == list(range(0, 2000, 100))
    losses = [float(match[2]) for match in epochs if match]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.6
    assert losses[-1] < 0.1
    assert re.fullmatch(r"test loss after training 0\.0\d\d  accuracy 1\.000", lines[22])
    assert lines[23:] == ["wrote model.pt and metrics.json"]
    model = NeuralNet(2, 5)
    model.load_state_dict(torch.load("model.pt", weights_only=True))
    assert model(torch.tensor([[-1.0, 1.0]])).item() > 0.95


def test_a_table(command: Command, breast_cancer: Path) -> None:
    result = command(main, breast_cancer, "--target", "diagnosis", "--plots", "plots", "--epochs", 20)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert re.fullmatch(r"mean radius +numeric +none +6.981 to 28.11", lines[1])
    assert lines[31] == "target diagnosis: 2 classes: benign (357), malignant (212)"
    assert lines[32] == "456 rows to train, 113 to test, 30 features, classes benign and malignant"
    assert re.fullmatch(r"epoch +0  training loss \d\.\d{3}  validation loss \d\.\d{3}", lines[33])
    document = json.loads(Path("metrics.json").read_text())
    trained, taken = document["epochs"]["trained"], document["epochs"]["taken"]
    assert 1 <= taken <= trained <= 20
    assert f"weights of epoch {taken} of {trained}; on the 113 test rows:" in lines
    assert f"accuracy           {document['test']['accuracy']:.4g}" in lines
    assert re.fullmatch(r"true \\ predicted +benign +malignant", lines[-11])
    assert lines[-7].startswith("90% prediction sets hold ")
    assert lines[-6].startswith("shuffling a column raises the log loss: ")
    assert lines[-5:] == [
        "wrote model.pt and metrics.json",
        "wrote plots/loss.png",
        "wrote plots/confusion_matrix.png",
        "wrote plots/roc.png",
        "wrote plots/calibration.png",
    ]
    assert all((Path("plots") / name.split("/")[1]).exists() for name in lines[-4:])
    assert document["task"] == "binary_classification"
    assert document["target_labels"] == ["benign", "malignant"]
    assert document["rows"] == {"train": 456, "test": 113}
    assert document["test"]["accuracy"] >= 0.93
    assert np.sum(document["test"]["confusion_matrix"]) == 113
    calibration = document["test"]["calibration"]
    assert 0.1 < calibration["temperature"] < 8
    assert set(calibration["before"]) == {"log_loss", "ece"}
    shown = f"log loss {calibration['before']['log_loss']:.4g} before, {document['test']['log_loss']:.4g} after, ECE "
    assert sum(line.startswith("calibrated by a temperature of ") and shown in line for line in lines) == 1
    importance = document["importance"]
    assert (importance["loss"], importance["rows"], importance["repeats"]) == ("log_loss", 113, 5)
    assert len(importance["columns"]) == 30
    first = importance["columns"][0]
    assert f": {first['column']} {first['mean']:.3g}, " in lines[-6]
    sets = document["test"]["prediction_sets"]
    assert [one["coverage"] for one in sets] == [0.5, 0.8, 0.9, 0.95]
    assert all(one["empirical_coverage"] >= one["coverage"] - 0.1 and 1 <= one["mean_size"] <= 2 for one in sets)
    conformal = load_checkpoint(Path("model.pt")).signature.conformal
    assert conformal is not None
    assert conformal.rows == 569


def test_too_few_rows_for_a_calibration_plot(command: Command) -> None:
    Path("plots").mkdir()
    Path("plots/calibration.png").write_bytes(b"another model's")
    result = command(main, "--epochs", 1, "--plots", "plots")
    assert result.out.splitlines()[-1] == "no calibration plot: 20 test rows are too few, it takes 100"
    assert not Path("plots/calibration.png").exists()


def test_options_set_the_network_and_its_training(command: Command, table: Path) -> None:
    network = ["--hidden", "6,5,4", "--dropout", "0.5", "--members", "2", "--seed", "3"]
    other = ["--learning-rate", "0.01", "--schedule", "constant", "--batch-size", "7", "--validation", "0"]
    optimizer = ["--optimizer", "sgd", "--weight-decay", "0.1"]
    result = command(main, table, "--target", "mass", "--epochs", 3, *network, *optimizer, *other)
    assert result.code == 0, result.err
    model = load_checkpoint(Path("model.pt"))
    assert isinstance(model, TableNet)
    assert (model.members, model.dropout_widths) == (2, (12, 10, 8))
    assert model.signature.task == "regression"
    document = json.loads(Path("metrics.json").read_text())
    assert set(document["test"]) == {"mae", "rmse", "r2"}
    assert document["epochs"] == {"trained": 3, "taken": 3}
    assert document["rows"] == {"train": 48, "test": 12}
    assert "validation loss" not in result.out


@pytest.mark.parametrize("rows", [60, 59])
def test_the_model_that_is_written_learned_from_the_test_rows_too_and_the_measured_one_did_not(
    command: Command, table: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Unless the table is large."""
    runs: list[TrainingRun] = []

    def trained(*arguments: Any, **options: Any) -> TrainingRun:
        runs.append(train(*arguments, **options))
        return runs[-1]

    monkeypatch.setattr("edge_train.loop.settings._MOST_ROWS", rows)
    monkeypatch.setattr(run_module, "train", trained)
    assert command(main, table, "--target", "y", "--hidden", 4, "--epochs", 3).code == 0
    (one,) = runs
    assert (one.final is one.measured) == (rows == 59)
    state = load_checkpoint(Path("model.pt")).state_dict()
    for name, value in one.final.network.state_dict().items():
        assert torch.equal(state[name], value)
    data = table_dataset(TableOptions(table, "y"), seed=0)
    assert data.test is not None
    document = json.loads(Path("metrics.json").read_text())
    del document["test"]["prediction_sets"], document["test"]["calibration"]
    assert document["test"] == json.loads(json.dumps(measure(one.measured.network, data.test)))


def test_intervals_of_a_regression(command: Command, table: Path) -> None:
    quick = ["--target", "mass", "--epochs", 3, "--hidden", 4, "--validation"]
    result = command(main, table, *quick, 0.5)
    assert result.code == 0, result.err
    measured = json.loads(Path("metrics.json").read_text())["test"]["intervals"]
    assert set(measured[0]) == {"coverage", "empirical_coverage", "mean_width"}
    widths = [one["mean_width"] for one in measured]
    assert widths == sorted(widths)
    nine = measured[2]
    shown = f"90% intervals hold {100 * nine['empirical_coverage']:.1f}% of the true values, mean width "
    assert f"{shown}{nine['mean_width']:.4g}" in result.out.splitlines()
    # Of fewer held-out rows than a coverage of 95 % needs there are none.
    assert command(main, table, *quick, 0.3, "--members", 1).code == 0
    document = json.loads(Path("metrics.json").read_text())
    assert 0.3 * document["rows"]["train"] < 19
    assert "intervals" not in document["test"]
    assert load_checkpoint(Path("model.pt")).signature.conformal is None


def test_the_user_says_what_the_target_holds(command: Command, table: Path) -> None:
    quick = ["--hidden", 4, "--epochs", 1, "--batch-size", 60]
    assert command(main, table, "--target", "code", *quick, "--task", "regression").code == 0
    assert load_checkpoint(Path("model.pt")).signature.task == "regression"
    assert command(main, table, "--target", "code", *quick).code == 0
    assert load_checkpoint(Path("model.pt")).signature.labels == (0, 1, 2, 3, 4)


def test_a_single_row_to_test_has_no_r2(command: Command) -> None:
    Path("t.csv").write_text("a,y\n1,1.5\n2,2.5\n3,3.5\n")
    result = command(main, "t.csv", "--target", "y", "--epochs", 1)
    assert (result.code, result.err) == (0, "")
    document = json.loads(Path("metrics.json").read_text())
    assert document["test"]["r2"] is None
    assert document["importance"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "1e38"], "training diverged in epoch 1; try a lower learning rate"),
        (["--device", "cuda:99"], "cuda:99 is not available to torch"),
        (["--output", "file"], "file is a file, not a folder"),
        (["--plots", "file"], "file is a file, not a folder"),
        (["--checkpoint", "file"], "file is a file, not a folder"),
        (["--report", "file/train.html"], "file is a file, not a folder"),
        (["--report", "model.pt"], "model.pt is another file of this run; choose another path for --report"),
    ],
)
def test_what_cannot_be_done_leaves_the_earlier_model(command: Command, arguments: list[str], message: str) -> None:
    Path("file").touch()
    Path("model.pt").write_bytes(b"earlier")
    result = command(main, *arguments)
    assert result.code == 1
    assert message in result.err
    assert result.err.count("\n") == 1
    assert Path("model.pt").read_bytes() == b"earlier"
    assert sorted(path.name for path in Path().iterdir()) == ["file", "model.pt"]


def test_folders_are_made_before_hours_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "train", lambda *_, **__: pytest.fail("trained"))
    made: list[Outputs] = []

    def prepare(outputs: Outputs) -> None:
        made.append(outputs)
        raise ZeroDivisionError

    monkeypatch.setattr(run_module, "prepare_outputs", prepare)
    outputs = Outputs(Path("new"))
    with pytest.raises(ZeroDivisionError):
        run(four_blobs(0), EXAMPLE_DEFAULTS, "cpu", outputs, resume=False, is_example=True)
    assert made == [outputs]


def big(columns: int) -> Dataset:
    data = four_blobs(0)
    x = np.broadcast_to(np.zeros((), np.float32), (100_000, columns))
    return replace(data, train=replace(data.train, inputs={"x": x}))


@pytest.mark.parametrize(
    ("name", "columns", "gpus", "local_rank", "expected"),
    [
        ("cpu", 2, 4, 0, "cpu"),
        ("auto", 100, 0, 0, "cpu"),
        ("auto", 99, 4, 0, "cpu"),
        ("auto", 100, 4, 0, "cuda:0"),
        ("auto", 100, 4, 3, "cuda:3"),
        ("cuda", 2, 4, 0, "cuda:0"),
        ("cuda", 2, 4, 3, "cuda:3"),
        ("cuda:1", 2, 4, 3, "cuda:1"),
    ],
)
def test_which_device_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, columns: int, gpus: int, local_rank: int, expected: str
) -> None:
    pretend_gpus(monkeypatch, gpus, local_rank)
    assert choose_device(name, big(columns)) == torch.device(expected)


@pytest.mark.parametrize(
    ("name", "gpus", "local_rank", "message"),
    [
        ("cuda", 0, 0, "cuda:0 is not available to torch; use --device cpu"),
        ("cuda:2", 2, 0, "cuda:2 is not available to torch"),
        # More processes than GPUs.
        ("cuda", 2, 2, "cuda:2 is not available to torch"),
    ],
)
def test_a_gpu_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, local_rank: int, message: str
) -> None:
    pretend_gpus(monkeypatch, gpus, local_rank)
    with pytest.raises(DeviceUnavailable, match=message):
        choose_device(name, four_blobs(0))
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(DeviceUnavailable, match="torch, which is built for the CPU only; use --device cpu"):
        choose_device(name, four_blobs(0))


def pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int, local_rank: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))


def test_a_bar_on_a_terminal_and_plain_lines_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal, bars = Terminal(), []

    class Bar(Progress):
        def __init__(self, label: str, total: int) -> None:
            super().__init__(label, total, delay=0)
            bars.append(self)

        def write(self, line: str) -> None:
            terminal.wait_for("training  [")
            super().write(line)

    monkeypatch.setattr(run_module, "Progress", Bar)
    monkeypatch.setattr("sys.stderr", terminal)
    settings = replace(EXAMPLE_DEFAULTS, epochs=250)
    run(four_blobs(0), settings, "cpu", Outputs(Path()), resume=False, is_example=True)
    (bar,) = bars
    assert (bar.label, bar.total, bar.done) == ("training", 250, 250)
    assert terminal.screen() == ""
    out = capsys.readouterr().out
    assert "\r" not in out
    assert out.count("training loss") == 3


def test_paths_control_no_terminal(command: Command) -> None:
    result = command(main, "--epochs", 1, "--output", "a\x1b[31m")
    assert result.out.splitlines()[-1] == r"wrote a\x1b[31m/model.pt and a\x1b[31m/metrics.json"
    assert Path("a\x1b[31m/model.pt").exists()
