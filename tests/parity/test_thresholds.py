"""A threshold that training is asked for decides in every format as it does in torch."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_export.cli.command import main as edge_export
from edge_runtime import Predictor
from edge_runtime.cli.command import main as edge_predict
from edge_train import load_checkpoint
from edge_train.cli.command import main as edge_train


@pytest.mark.slow
def test_from_the_option_to_the_labels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 2)).astype(np.float32)
    y = random.random(400) < 1 / (1 + np.exp(2 - 2 * x[:, 0]))
    table = tmp_path / "t.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = [(*row, "yes" if one else "no") for row, one in zip(x.tolist(), y, strict=True)]
        csv.writer(file).writerows([("a", "b", "y"), *rows])
    quick = ["--hidden", "8", "--epochs", "20", "--output", str(tmp_path)]
    assert edge_train([str(table), "--target", "y", "--threshold", "0.2", *quick]) == 0
    model = load_checkpoint(tmp_path / "model.pt")
    assert model.signature.threshold == 0.2
    # Each file is put in place only if its labels are torch's, also next to the threshold: verify/decision_boundary.py,
    # and for C c_code/row_calls.py.
    assert edge_export([str(tmp_path / "model.pt"), "--format", "onnx", "--format", "c"]) == 0
    assert "> 0.2f" in (tmp_path / "model.c").read_text()
    predictor = Predictor(tmp_path / "model.onnx", device="cpu")
    with torch.inference_mode():
        probability = model(torch.from_numpy(x)).numpy()[:, 0]
    clear = np.abs(probability - 0.2) > 1e-5
    expected = np.where(probability > 0.2, "yes", "no")[clear]
    assert ((probability > 0.2) & (probability < 0.5)).sum() > 40
    assert predictor.predict(x)[clear].tolist() == expected.tolist()
    assert [predictor.predict_one(row).label for row in x[clear]] == expected.tolist()
    assert edge_predict([str(tmp_path / "model.onnx"), "--verify"]) == 0
