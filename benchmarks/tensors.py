"""`Predictor.run` beside `session.run`, for models that take and return few or many tensors."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from benchmarks.timing import Call, Cell, cell, interleaved
from edge_runtime import Predictor

# How many tensors go in and come out.
COUNTS = (1, 2, 4, 24)
SESSION_RUN = "session.run"


def tensors(folder: Path, rounds: int, seconds: float) -> dict[str, Cell]:
    """The time of one call with arrays of four numbers, by how many there are; ONNX Runtime has its defaults."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for count in COUNTS:
        print(f"  {count} tensors", file=sys.stderr, flush=True)
        path = _model(folder, count)
        predictor = Predictor(path, device="cpu")
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        feed = {spec.name: np.ones((1, 4), np.float32) for spec in predictor.inputs}
        calls: dict[str, Call] = {
            "Predictor.run": lambda predictor=predictor, feed=feed: predictor.run(feed),  # type: ignore[misc]
            SESSION_RUN: lambda session=session, feed=feed: session.run(None, feed),  # type: ignore[misc]
        }
        found[str(count)] = cell(interleaved(calls, rounds, seconds))
    return found


def _model(folder: Path, count: int) -> Path:
    """A model of another tool: one operator for each tensor."""

    def declared(kind: str) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(f"{kind}{index}", TensorProto.FLOAT, ["batch", 4]) for index in range(count)
        ]

    nodes = [helper.make_node("Relu", [f"x{index}"], [f"y{index}"]) for index in range(count)]
    graph = helper.make_graph(nodes, "tensors", declared("x"), declared("y"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / f"tensors-{count}.onnx"
    onnx.save(model, path)
    return path
