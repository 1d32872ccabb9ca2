import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge_train import NeuralNet, TableNet, load_checkpoint
from edge_train.cli.command import main

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_example(command: Command, tmp_path: Path) -> None:
    result = command(main)
    assert result.code == 0
    assert result.err == ""
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
    model.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert model(torch.tensor([[-1.0, 1.0]])).item() > 0.95


def test_same_seed_same_bytes_in_another_process(command: Command, tmp_path: Path) -> None:
    assert command(main, "--seed", 7, "--epochs", 200, "--output", "a").code == 0
    subprocess.run(
        [sys.executable, "-m", "edge_train", "--seed", "7", "--epochs", "200", "--output", "b"],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "a/model.pt").read_bytes() == (tmp_path / "b/model.pt").read_bytes()
    command(main, "--seed", 8, "--epochs", 200, "--output", "c")
    assert (tmp_path / "a/model.pt").read_bytes() != (tmp_path / "c/model.pt").read_bytes()


def test_a_table(command: Command, breast_cancer: Path, tmp_path: Path) -> None:
    result = command(main, breast_cancer, "--target", "diagnosis", "--plots", "pictures", "--epochs", 40)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["column", "taken", "as", "missing", "values"]
    assert re.fullmatch(r"mean radius +numeric +none +6.981 to 28.11", lines[1])
    assert lines[31] == "target diagnosis: 2 classes: benign (357), malignant (212)"
    assert lines[32] == "387 rows to train, 69 to validate, 113 to test, 30 features, classes benign and malignant"
    assert re.fullmatch(r"epoch +0  training loss \d\.\d{3}  validation loss \d\.\d{3}", lines[33])
    assert "wrote model.pt and metrics.json" in lines
    assert "wrote pictures/roc.png" in lines
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "calibration.png",
        "confusion_matrix.png",
        "loss.png",
        "roc.png",
    ]
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["task"] == "binary_classification"
    assert document["target_labels"] == ["benign", "malignant"]
    assert document["rows"] == {"train": 387, "validation": 69, "test": 113}
    assert document["epochs"]["taken"] <= document["epochs"]["trained"] <= 40
    assert document["test"]["accuracy"] >= 0.93
    assert f"accuracy           {document['test']['accuracy']:.4g}" in lines
    assert np.sum(document["test"]["confusion_matrix"]) == 113


def rows(count: int = 60) -> str:
    kinds = ["Biscoe", "Dream", ""]
    lines = [
        f"{row},{row % 5},{kinds[row % 3]},{'true' if row % 4 else 'false'},note {row},7,{row * 1.5},{'uvw'[row % 3]}"
        for row in range(count)
    ]
    return "\n".join(["id,code,island,flag,note,constant,mass,y", *lines]) + "\n"


def test_what_was_found_is_shown_before_training(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(rows())
    result = command(main, "t.csv", "--target", "y", "--epochs", 1, "--drop", "id")
    assert result.code == 0
    assert [line.split("  ") for line in re.sub("  +", "  ", result.out).splitlines()[:9]] == [
        ["column", "taken as", "missing", "values"],
        ["code", "numeric", "none", "0 to 4, 5 integers: if they are codes, --categorical code"],
        ["island", "categorical", "33.3%", "Biscoe, Dream"],
        ["flag", "boolean", "none", "75.0% true"],
        ["note", "left out", "60 different strings, most of them in one row only"],
        ["constant", "left out", "the same value in every row"],
        ["mass", "numeric", "none", "0 to 88.5"],
        ["target y: 3 classes: u (20), v (20), w (20)"],
        ["42 rows to train, 6 to validate, 12 to test, 4 features"],
    ]
    assert "true \\ predicted" in result.out


def test_kinds_tasks_and_training_can_be_set(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(rows())
    options = ["--categorical", "code,note", "--drop", "id", "--drop", "flag, island", "--numeric", "constant"]
    network = ["--hidden", "6,5,4", "--dropout", "0.5", "--optimizer", "sgd", "--weight-decay", "0.1", "--seed", "3"]
    other = ["--learning-rate", "0.01", "--schedule", "constant", "--batch-size", "7", "--validation", "0"]
    result = command(main, "t.csv", "--target", "mass", "--epochs", 3, *options, *network, *other)
    assert result.code == 0, result.err
    model = load_checkpoint(tmp_path / "model.pt")
    assert isinstance(model, TableNet)
    assert model.dropout_widths == (6, 5, 4)
    signature = model.signature
    assert signature.task == "regression"
    assert {feature.name: feature.kind for feature in signature.features} == {
        "code": "categorical",
        "note": "categorical",
        "constant": "numeric",
        "y": "categorical",
    }
    assert signature.features[0].categories == (0, 1, 2, 3, 4)
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert set(document["test"]) == {"mae", "rmse", "r2"}
    assert document["epochs"] == {"trained": 3, "taken": 3}
    assert "validation" not in document["rows"]
    assert command(main, "t.csv", "--target", "code", "--epochs", 1, "--task", "regression").code == 0
    assert load_checkpoint(tmp_path / "model.pt").signature.task == "regression"
    assert command(main, "t.csv", "--target", "code", "--epochs", 1).code == 0
    assert load_checkpoint(tmp_path / "model.pt").signature.labels == (0, 1, 2, 3, 4)


def test_rows_without_the_target_are_left_out(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(rows())
    result = command(main, "t.csv", "--target", "island", "--epochs", 1)
    assert "20 rows without island are left out" in result.out
    assert "28 rows to train, 4 to validate, 8 to test" in result.out


def test_a_single_row_to_test_has_no_r2(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,1.5\n2,2.5\n3,3.5\n")
    result = command(main, "t.csv", "--target", "y", "--epochs", 1)
    assert (result.code, result.err) == (0, "")
    assert json.loads((tmp_path / "metrics.json").read_text())["test"]["r2"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table.csv"], "--target COLUMN"),
        (["--target", "x"], "--target needs a TABLE"),
        (["--dropout", "0.1"], "--dropout needs a TABLE"),
        (["--class-weight", "balanced"], "--class-weight needs a TABLE"),
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "many"], "--epochs"),
        (["--learning-rate", "-1"], "--learning-rate must be a positive number"),
        (["--learning-rate", "1e300"], "--learning-rate must be a positive number"),
        (["--learning-rate", "nan"], "--learning-rate must be a positive number"),
        (["--hidden", "0"], "--hidden"),
        (["--hidden", "5,x"], "--hidden"),
        (["--hidden", "10000000000000"], "--hidden"),
        (["--hidden", "5,5"], "the example's network has one hidden layer"),
        (["--seed", "-1"], "--seed"),
        (["t.csv", "--target", "x", "--dropout", "1"], "--dropout"),
        (["t.csv", "--target", "x", "--task", "ranking"], "--task"),
        (["t.csv", "--target", "x", "--validation", "0.95"], "--validation"),
        (["t.csv", "--target", "x", "--validation", "0", "--patience", "3"], "--patience needs rows"),
        (["--resume"], "--resume needs --checkpoint"),
        (["--nothing"], "--nothing"),
    ],
)
def test_wrong_usage(command: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = command(main, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv", "--target", "c"], "nowhere.csv cannot be read"),
        (["table.csv", "--target", "d"], "has no column 'd'"),
        (["table.csv", "--target", "c"], "row 3: x is 'b', not a number"),
        (["table.csv", "--target", "c", "--categorical", "z"], "has no column 'z'; its columns are x, c"),
        (["good.csv", "--target", "a", "--drop", "b"], "no column is left"),
        (["good.csv", "--target", "a", "--drop", "b", "--drop", "b"], "no column is left"),
        (["table.csv", "--target", "c", "--drop", "x", "--numeric", "x"], "x is said to be two things"),
        (["table.csv", "--target", "c", "--drop", "c"], "c is the target"),
        (["table.csv", "--target", "c", "--task", "regression", "--drop", "x"], "no column is left"),
        (["good.csv", "--target", "a", "--class-weight", "balanced"], "--class-weight needs classes"),
        (["good.csv", "--target", "a", "--device", "toaster"], "unknown device 'toaster'"),
        (["--learning-rate", "1e38"], "training diverged"),
        (["--output", "table.csv"], "no file can be written in table.csv"),
        (["--output", "/proc/nothing"], "no file can be written in /proc/nothing"),
        (["--plots", "/proc/nothing"], "no file can be written in /proc/nothing"),
        (["--checkpoint", "/proc/nothing"], "no file can be written in /proc/nothing"),
        (["nowhere.csv", "--target", "c", "--output", "new"], "nowhere.csv cannot be read"),
    ],
)
def test_what_cannot_be_done(command: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "table.csv").write_text("x,c\n1,1\n2,0\nb,0\n")
    (tmp_path / "good.csv").write_text("a,b\n" + "".join(f"{row}.5,{row}\n" for row in range(30)))
    (tmp_path / "model.pt").write_bytes(b"earlier")
    result = command(main, *arguments)
    assert result.code == 1
    assert message in result.err
    assert result.err.count("\n") == 1
    assert (tmp_path / "model.pt").read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.csv", "model.pt", "table.csv"]


def test_columns_that_are_left_out_say_why(command: Command, tmp_path: Path) -> None:
    rows = "".join(f"${row}.00,5,{row % 2}\n" for row in range(30))
    (tmp_path / "money.csv").write_text("price,same,y\n" + rows)
    result = command(main, "money.csv", "--target", "y")
    assert result.code == 1
    assert "price: 30 different strings" in result.err
    assert "same: the same value in every row" in result.err


@pytest.mark.parametrize("option", ["--dropout", "--weight-decay", "--validation"])
def test_no_number_is_no_option(command: Command, option: str) -> None:
    result = command(main, "table.csv", "--target", "y", option, "nan")
    assert (result.code, result.err) == (2, f"error: {option} must be a finite number (see --help)\n")


def test_help_and_wrong_usage_do_not_load_torch() -> None:
    script = """
import sys
from edge_train.cli.command import main
main(sys.argv[1:])
sys.exit(bool({"torch", "numpy", "sklearn", "matplotlib"} & set(sys.modules)))
"""
    for arguments in (["--help"], ["--nothing"], ["table.csv"]):
        assert subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_interrupt_leaves_the_earlier_model(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"earlier")
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "edge_train", "--epochs", "100000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        while not process.stdout.readline().startswith("epoch   300"):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert "Traceback" not in process.stderr.read()
    assert (tmp_path / "model.pt").read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_a_bar_on_a_terminal_and_plain_lines_in_a_pipe() -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_train", "--epochs", "2000"], stdout=subprocess.PIPE, stderr=follower
    )
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    assert process.stdout
    lines = process.stdout.read().decode()
    assert process.wait(timeout=60) == 0
    os.close(leader)
    assert b"epoch/s" in shown
    assert b"2000" in shown
    assert "\r" not in lines
    assert lines.count("training loss") == 20
