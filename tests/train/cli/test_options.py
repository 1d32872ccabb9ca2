"""Command lines that are wrong by themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_train.cli.command import main

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table.csv"], "which column of table.csv is to be predicted? Name it with --target COLUMN"),
        (["--target", "x"], "--target needs a TABLE"),
        (["--dropout", "0.1"], "--dropout needs a TABLE"),
        (["--class-weight", "balanced"], "--class-weight needs a TABLE"),
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "many"], "--epochs"),
        (["--learning-rate", "-1"], "--learning-rate must be a positive number"),
        (["--learning-rate", "1e300"], "--learning-rate must be a positive number"),
        (["--learning-rate", "nan"], "--learning-rate must be a positive number"),
        (["--hidden", "0"], "--hidden 0: give 1 to 65536 units"),
        (["--hidden", "5,x"], "--hidden"),
        (["--hidden", "10000000000000"], "--hidden"),
        (["--hidden", "5,5"], "the example's network has one hidden layer: --hidden N"),
        (["--seed", "-1"], "--seed"),
        (["t.csv", "--target", "x", "--dropout", "1"], "--dropout"),
        (["t.csv", "--target", "x", "--dropout", "nan"], "--dropout must be a finite number"),
        (["t.csv", "--target", "x", "--weight-decay", "inf"], "--weight-decay must be a finite number"),
        (["t.csv", "--target", "x", "--validation", "nan"], "--validation must be a finite number"),
        (["t.csv", "--target", "x", "--task", "ranking"], "--task"),
        (["t.csv", "--target", "x", "--validation", "0.95"], "--validation"),
        (["t.csv", "--target", "x", "--validation", "0", "--patience", "3"], "remove --patience or --validation 0"),
        (
            ["t.csv", "--target", "x", "--class-weight", "balanced", "--task", "regression"],
            "--class-weight is for classes; remove --class-weight or --task regression",
        ),
        (["--resume"], "--resume needs --checkpoint FOLDER"),
        (["--nothing"], "No such option: --nothing"),
        (["--targt", "x"], "No such option: --targt (Possible options: --target, --task)"),
        (["--epoch", "3"], "--epochs"),
    ],
)
def test_wrong_usage(command: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = command(main, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("device", ["tpu", "cud", "cuda:", "cuda:x", "cuda:0,1", "CPU", ""])
def test_devices_that_nobody_knows(command: Command, device: str) -> None:
    result = command(main, "--device", device)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"error: unknown device {device!r}; use auto, cpu, cuda or cuda:N\n"


def test_what_a_user_types_controls_no_terminal(command: Command) -> None:
    for arguments in (["\x1b[31m.csv"], ["--hidden", "\x1b[31m"], ["--device", "\x1b[31m"], ["--\x1b[31m"]):
        result = command(main, *arguments)
        assert "\x1b" not in result.err
        assert result.err.count("\n") == 1
