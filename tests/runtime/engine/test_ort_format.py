"""Models in ONNX Runtime's own format (.ort): they open and verify as ONNX files do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import InvalidModel, Predictor
from edge_runtime.contract.certificate import seal
from edge_runtime.engine.installation import import_onnxruntime

WEIGHT = np.array([2.5, -1.25], np.float32).tobytes()

Make = Callable[..., bytes]


def as_ort(content: bytes, folder: Path) -> bytes:
    """`content` in ONNX Runtime's own format."""
    ort = import_onnxruntime()
    settings = ort.SessionOptions()
    settings.optimized_model_filepath = str(folder / "converted.ort")
    settings.add_session_config_entry("session.save_model_format", "ORT")
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    ort.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    return (folder / "converted.ort").read_bytes()


def test_ort_format(certified: Make, tmp_path: Path) -> None:
    converted = as_ort(certified(), tmp_path)
    assert converted[4:8] == b"ORTM"
    assert Predictor(converted).verify().problems == (
        "the file was changed after its export, although its outputs on the reference rows are still within tolerance",
    )
    sealed = seal(converted)
    path = tmp_path / "model.ort"
    path.write_bytes(sealed)
    for model in (path, sealed):
        assert Predictor(model, verify=True).run({"x": [[1, 2]]})["y"].tolist() == [[2.5, -2.5]]
    position = sealed.index(WEIGHT) + 2
    damaged = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
    path.write_bytes(damaged)
    for model in (path, damaged):
        verification = Predictor(model).verify()
        assert not verification.intact
        assert not verification.checks[0].passed


def test_damaged_ort_format(certified: Make, tmp_path: Path) -> None:
    converted = as_ort(certified(), tmp_path)
    for content in (converted[:100], converted[:-10]):
        (tmp_path / "model.ort").write_bytes(content)
        for model in (tmp_path / "model.ort", content):
            with pytest.raises(InvalidModel, match="is not a model that ONNX Runtime can load"):
                Predictor(model)
