"""Intervals made of a network's answers to held-out rows hold as often by its artifact, also with a scale from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from quick_exports import few_probes

from edge_export import ExportError, export, export_checkpoint
from edge_runtime import Feature, Input, Predictor, Signature
from edge_train import TableNet, save_checkpoint
from edge_train.conformal import conformal_scores
from edge_train.dataset import Part
from edge_train.networks.answers import scaled_answers
from edge_train.networks.table_net import SCALE

FEATURES = (Feature("a", missing=0.1), Feature("b"))
VALUES = Signature((Input("x", FEATURES),), "value", (), "regression")
THREE = Signature((Input("x", FEATURES),), "p", ("a", "b", "c"), "multiclass_classification")


def rows(count: int, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)


def test_from_held_out_rows_to_intervals(tmp_path: Path) -> None:
    x = rows(200, 0)
    y = (x.sum(1) + np.random.default_rng(1).normal(size=200)).astype(np.float32)
    network = TableNet(VALUES, (8,)).eval()
    network.fit({"x": x}, y)
    answers = scaled_answers(network, Part({"x": x}, y))[0]
    conformal = conformal_scores(VALUES, answers, y)
    assert conformal is not None
    network.signature = replace(VALUES, conformal=conformal)
    save_checkpoint(network, tmp_path / "model.pt")
    with few_probes():
        export_checkpoint(tmp_path / "model.pt", formats=["onnx"])
    predictor = Predictor(tmp_path / "model.onnx", verify=True)
    assert predictor.signature == network.signature
    for coverage in (0.5, 0.9, 0.99):
        lower, upper = predictor.predict_interval(x, coverage).T
        # On the held-out rows themselves it is the rank, exactly.
        assert ((lower <= y) & (y <= upper)).sum() == np.ceil(201 * coverage)


def test_a_scale_from_the_graph(tmp_path: Path) -> None:
    x = rows(300, 2)
    y = (x.sum(1) + np.random.default_rng(3).normal(size=300) * (0.5 + abs(x[:, 1]))).astype(np.float32)
    network = TableNet(VALUES, (8,), members=3, scaled=True).eval()
    network.fit({"x": x}, y)
    found, scale = scaled_answers(network, Part({"x": x}, y))
    assert scale is not None
    network.signature = replace(VALUES, conformal=conformal_scores(VALUES, found, y, scale, SCALE))
    save_checkpoint(network, tmp_path / "model.pt")
    with few_probes():
        export_checkpoint(tmp_path / "model.pt", formats=["onnx"])
    predictor = Predictor(tmp_path / "model.onnx", verify=True)
    lower, upper = predictor.predict_interval(x, 0.9).T
    assert ((lower <= y) & (y <= upper)).sum() == np.ceil(301 * 0.9)
    assert np.allclose((upper - lower) / scale, (upper - lower)[0] / scale[0], rtol=1e-4)
    assert scale.max() > 1.01 * scale.min()


def test_a_scale_that_the_module_does_not_return(tmp_path: Path) -> None:
    network = TableNet(VALUES, (8,), scaled=True).eval()
    conformal = conformal_scores(VALUES, np.zeros(30), np.arange(30, dtype=np.float32), np.ones(30), "width_of_rows")
    network.signature = replace(VALUES, conformal=conformal)
    with pytest.raises(
        ExportError, match="the output width_of_rows scales its intervals; the module returns value, sc"
    ):
        export(network, {"x": torch.zeros(2, 2)}, tmp_path / "model.onnx")


def test_sets_of_labels(tmp_path: Path) -> None:
    x = rows(400, 4)
    true = np.random.default_rng(5).integers(0, 3, 400)
    network = TableNet(THREE, (8,)).eval()
    network.fit({"x": x}, true)
    answers = network(torch.from_numpy(x)).detach().double().numpy()
    network.signature = replace(THREE, conformal=conformal_scores(THREE, answers, true))
    save_checkpoint(network, tmp_path / "model.pt")
    with few_probes():
        export_checkpoint(tmp_path / "model.pt", formats=["onnx"])
    found = Predictor(tmp_path / "model.onnx").predict_set(x, 0.9)
    held = sum(THREE.labels[label] in labels for label, labels in zip(true, found, strict=True))
    assert held >= np.ceil(401 * 0.9)
    assert held < 400
