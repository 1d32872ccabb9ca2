"""What tests of all three packages share. Imports nothing but the runtime: the wheel's tests run without the rest."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command's main in this process: command(main, "model.onnx", -1, 1)."""

    def run(main: Callable[[list[str]], int], *arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def breast_cancer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's breast-cancer data as a CSV file: 569 rows, 30 features, and the class as text in `diagnosis`."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    path = tmp_path_factory.mktemp("tables") / "breast_cancer.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "diagnosis"])
        for row, kind in zip(data.data.tolist(), data.target_names[data.target], strict=True):
            writer.writerow([*row, kind])
    return path
