"""Two models with the same columns and other answers, and what they answer: torch in float64 says so."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# How far an answer may be from torch's in float64.
TOLERANCE = 1e-5
# The rows are those on which the models differ, and neither is near its threshold: an answer tells which one gave it.
_APART, _MARGIN = 0.01, 0.01
SEEDS = (0, 3)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Known:
    """Rows and their answers.

    Attributes:
        files: the two models.
        rows: float32, shape (rows, 2).
        probabilities: of label 1, by model, float64, shape (2, rows).
    """

    files: tuple[Path, Path]
    rows: Array
    probabilities: Array

    def fit(self, chosen: Any, found: Any) -> bool:
        """Whether `found` are the probabilities of label 1 of the rows `chosen`, all by the same model."""
        off = np.abs(np.asarray(found, np.float64) - self.probabilities[:, chosen])
        return bool((off.reshape(2, -1) <= TOLERANCE).all(axis=1).any())

    def labels_fit(self, chosen: Any, found: Any) -> bool:
        """The same for labels."""
        same = np.asarray(found) == (self.probabilities[:, chosen] > 0.5)
        return bool(same.reshape(2, -1).all(axis=1).any())

    def answers_fit(self, chosen: Sequence[int], answers: Sequence[Any]) -> bool:
        """The same for JSON as the command and the server write it."""
        if len(answers) != len(chosen):
            return False
        found = [one["probabilities"]["1"] for one in answers]
        consistent = all(one["label"] == (one["probabilities"]["1"] > 0.5) for one in answers)
        return consistent and self.fit(list(chosen), found)


def prepared(folder: Path) -> Known:
    """Train and export the models by the commands, where they are missing; they are kept in `folder`."""
    files = []
    for seed in SEEDS:
        place = folder / f"model-{seed}"
        if not (place / "model.onnx").exists():
            call("edge_train", "--seed", seed, "--output", place)
            call("edge_export", place / "model.pt", "--format", "onnx")
        files.append(place / "model.onnx")
    rows, probabilities = _answers([file.with_suffix(".pt") for file in files])
    return Known((files[0], files[1]), rows, probabilities)


def command(package: str, *words: object) -> list[str]:
    """How to start a command of a package, such as edge_train."""
    home = package if "." in package else f"{package}.cli"
    code = f"import sys; from {home}.command import main; sys.exit(main())"
    return [sys.executable, "-c", code, *map(str, words)]


def call(package: str, *words: object) -> None:
    """Run a command that has to succeed."""
    subprocess.run(command(package, *words), check=True, stdout=subprocess.DEVNULL)


def _answers(checkpoints: Sequence[Path], count: int = 512) -> tuple[Array, Array]:
    # The processes that are watched need no torch.
    import torch

    from edge_train.networks.checkpoint import load_checkpoint

    rows = np.random.default_rng(0).uniform(-2, 2, (20 * count, 2)).astype(np.float32)
    with torch.no_grad():
        found = [load_checkpoint(path).double()(torch.tensor(rows, dtype=torch.float64)) for path in checkpoints]
    both = torch.hstack(found).numpy().T
    clear = (np.abs(both[0] - both[1]) > _APART) & (np.abs(both - 0.5) > _MARGIN).all(axis=0)
    assert clear.sum() >= count, "the two models are too much alike"
    return rows[clear][:count], both[:, clear][:, :count]
