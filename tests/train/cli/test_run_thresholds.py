"""A table with a rare class at the shell: the warning, and the threshold that is asked for."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge_train import load_checkpoint
from edge_train.cli.command import main

Command = Callable[..., Any]


@pytest.fixture
def rare() -> Path:
    """rare.csv: 1,500 rows, 6 % of which are of the class that comes first; two numbers say which ones a little."""
    random = np.random.default_rng(0)
    is_rare = random.random(1500) < 0.06
    numbers = random.normal(size=(1500, 2)) + is_rare[:, None]
    lines = [f"{a:.3f},{b:.3f},{'bad' if one else 'good'}" for (a, b), one in zip(numbers, is_rare, strict=True)]
    path = Path("rare.csv")
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")
    return path


QUICK = ["--target", "y", "--hidden", 8, "--epochs", 10]


def test_a_rare_class_is_warned_of_once_after_training(command: Command, rare: Path) -> None:
    result = command(main, rare, *QUICK, "--learning-rate", "0.01")
    assert result.code == 0
    match = re.fullmatch(
        r"warning: bad is 5\.8% of the rows held out, and predicted for 0\.\d% of them "
        r"\(balanced accuracy 0\.5\d\); "
        r"--threshold balanced would take (0\.9\d+): predicted for [23]\d\.\d%, balanced accuracy 0\.[78]\d\n",
        result.err,
    )
    assert match, result.err
    weights = torch.load("model.pt", weights_only=True)
    assert load_checkpoint(Path("model.pt")).signature.threshold == 0.5
    without = json.loads(Path("metrics.json").read_text())["test"]
    assert without["threshold"] == 0.5
    assert "balanced_accuracy_at_0.5" not in without
    # The option takes what the warning says, and changes nothing else.
    result = command(main, rare, *QUICK, "--learning-rate", "0.01", "--threshold", "balanced")
    assert (result.code, result.err) == (0, "")
    assert f"threshold {match[1]}: good is predicted if its probability is above it" in result.out.splitlines()
    model = load_checkpoint(Path("model.pt"))
    assert model.signature.threshold == float(match[1])
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    found = json.loads(Path("metrics.json").read_text())["test"]
    assert found["threshold"] == float(match[1])
    assert found["balanced_accuracy_at_0.5"] == without["balanced_accuracy"] < 0.6
    assert found["balanced_accuracy"] > 0.65
    assert found["log_loss"] == without["log_loss"]
    assert sum(row[0] for row in found["confusion_matrix"]) > 30


def test_a_threshold_without_rows_to_validate(command: Command, rare: Path) -> None:
    result = command(main, rare, *QUICK, "--validation", 0, "--threshold", "0.2")
    assert (result.code, result.err) == (0, "")
    assert load_checkpoint(Path("model.pt")).signature.threshold == 0.2
