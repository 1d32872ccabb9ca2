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

import pytest
import torch

from edge_train import NeuralNet
from edge_train.cli import main

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
    assert lines[23:] == ["wrote model.pt"]
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
    result = command(main, breast_cancer, "--target", "diagnosis", "--plots", "pictures")
    assert result.code == 0
    assert result.out.startswith("456 rows to train, 113 to test, 30 features, classes benign and malignant\n")
    assert "wrote pictures/loss.png" in result.out
    accuracy = re.search(r"accuracy (\d\.\d{3})", result.out)
    assert accuracy
    assert float(accuracy[1]) >= 0.95
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["data.png", "loss.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table.csv"], "--target COLUMN"),
        (["--target", "x"], "--target needs a TABLE"),
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "many"], "--epochs"),
        (["--learning-rate", "-1"], "--learning-rate must be a positive number"),
        (["--learning-rate", "1e300"], "--learning-rate must be a positive number"),
        (["--learning-rate", "nan"], "--learning-rate must be a positive number"),
        (["--hidden-size", "0"], "--hidden-size"),
        (["--hidden-size", "10000000000000"], "--hidden-size"),
        (["--seed", "-1"], "--seed"),
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
        (["table.csv", "--target", "c"], "line 3: x: 'b' is no number"),
        (["--learning-rate", "1e38"], "training diverged"),
        (["--output", "table.csv"], "no file can be written in table.csv"),
        (["--output", "/proc/nothing"], "no file can be written in /proc/nothing"),
        (["--plots", "/proc/nothing"], "no file can be written in /proc/nothing"),
        (["nowhere.csv", "--target", "c", "--output", "new"], "nowhere.csv cannot be read"),
    ],
)
def test_what_cannot_be_done(command: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "table.csv").write_text("x,c\n1,1\nb,0\n")
    (tmp_path / "model.pt").write_bytes(b"earlier")
    result = command(main, *arguments)
    assert result.code == 1
    assert message in result.err
    assert result.err.count("\n") == 1
    assert (tmp_path / "model.pt").read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "table.csv"]


def test_help_and_wrong_usage_do_not_load_torch() -> None:
    script = """
import sys
from edge_train.cli import main
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
