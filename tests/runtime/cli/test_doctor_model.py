"""What edge-predict --doctor says of a model: it is opened in a process of its own, which the report outlives."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import FOUR_BLOBS as MODEL
from written_models import attribute, graph, model, node, tensor, value

from edge_runtime import IsolatedPredictor, Limits
from edge_runtime.cli.command import main

Command = Callable[..., Any]


def test_a_model(command: Command) -> None:
    good = command(main, MODEL, "--doctor")
    kind = "IsolatedPredictor" if os.name == "posix" else "Predictor"
    assert f"\nmodel         {kind}('four_blobs.onnx', binary_classification" in good.out
    bad = command(main, "nothing.onnx", "--doctor")
    assert bad.code == 1
    assert "\nproblem       nothing.onnx: no such file" in bad.out


def crashing(folder: Path) -> Path:
    """A model that ends the process which opens it: what depends on constants alone is computed then."""
    path = folder / "crashes.onnx"
    shape, indices = np.zeros((2, 2), np.float32), np.zeros((1, 1), np.int64)
    nodes = [node("GatherND", ["data", "indices"], ["found"], attribute("batch_dims", -(2**31)))]
    nodes.append(node("Add", ["x", "found"], ["y"]))
    weights = [tensor("data", shape), tensor("indices", indices)]
    path.write_bytes(model(graph(nodes, [value("x", ("n",))], [value("y", None)], weights)))
    return path


@pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")
def test_a_model_that_ends_its_process(command: Command, tmp_path: Path) -> None:
    path = crashing(tmp_path)
    for more in ([], ["--isolate"]):
        result = command(main, path, "--doctor", *more)
        assert result.code == 1
        assert f"\nproblem       {path}: the isolated model crashed (SIGSEGV)\n" in result.out
        assert result.out.endswith(("problem\n", "problems\n"))


@pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")
def test_bounds_of_a_model(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Limits] = []

    class Opened(IsolatedPredictor):
        def __init__(self, model: str, limits: Limits | None) -> None:
            seen.append(limits or Limits())
            super().__init__(model, limits=limits)

    monkeypatch.setattr("edge_runtime.isolate.predictor.IsolatedPredictor", Opened)
    # What is trusted may be large, and take long.
    command(main, MODEL, "--doctor")
    command(main, MODEL, "--doctor", "--isolate")
    assert [(one.isolated_bytes, one.isolated_seconds) for one in seen] == [(None, None), (2**31, 30)]
