"""The judge of the zoo, who knows nothing of the exporter: sound files pass, and each kind of wrong one is named."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from benchmarks.zoo.judge import problem_of
from benchmarks.zoo.network import Network, floats, seeded
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

ROWS = "rows"


class Decided(nn.Module):
    """Logits and which is the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.linear(x)
        return logits, logits.argmax(1)


NETWORK = Network("decided", Decided, floats(6))


def made(path: Path, weight: Tensor, bias: Tensor, rows: str | int = ROWS, answers: int = 2, **edits: int) -> Path:
    """What an exporter could make of `Decided`, without going through one."""
    largest: dict[str, Any] = {"axis": 1, "keepdims": 0, "select_last_index": 0, **edits}
    nodes = [
        helper.make_node("Gemm", ["x", "weight", "bias"], ["logits"], transB=1),
        helper.make_node("ArgMax", ["logits"], ["largest"], **largest),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, 5]),
        helper.make_tensor_value_info("largest", TensorProto.INT64, None),
    ]
    graph = helper.make_graph(
        nodes,
        "decided",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 6])],
        outputs[:answers],
        [numpy_helper.from_array(one.detach().numpy(), name) for one, name in ((weight, "weight"), (bias, "bias"))],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


@pytest.fixture
def module() -> Decided:
    made = seeded(0, Decided)
    assert isinstance(made, Decided)
    return made


def test_a_sound_file_is_right(module: Decided, tmp_path: Path) -> None:
    file = made(tmp_path / "model.onnx", module.linear.weight, module.linear.bias)
    assert problem_of(file, NETWORK, module) is None


def changed(weight: Tensor) -> Tensor:
    changed = weight.detach().clone()
    changed[3, 3] *= 1.001
    return changed


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda path, weight, bias: made(path, changed(weight), bias), "output 0 is .* off"),
        (lambda path, weight, bias: made(path, weight, bias * np.float32(1.01)), "output 0 is .* off"),
        (lambda path, weight, bias: made(path, weight / bias.sum() * 0 + float("nan"), bias), "is not finite where"),
        (lambda path, weight, bias: made(path, weight, bias, rows=3), "at batch 1, ONNX Runtime fails"),
        (lambda path, weight, bias: made(path, weight, bias, keepdims=1), r"output 1 has shape \(1, 1\), not \(1,\)"),
        (lambda path, weight, bias: made(path, weight, bias, axis=0), "output 1 has shape"),
        (lambda path, weight, bias: made(path, weight, bias, answers=1), "it has 1 outputs, and the module 2"),
    ],
)
def test_a_wrong_file_is_named(
    edit: Callable[[Path, Tensor, Tensor], Path], problem: str, module: Decided, tmp_path: Path
) -> None:
    file = edit(tmp_path / "model.onnx", module.linear.weight, module.linear.bias)
    found = problem_of(file, NETWORK, module)
    assert found is not None
    assert re.search(problem, found)


def test_other_integers_are_named(module: Decided, tmp_path: Path) -> None:
    """The smallest in place of the largest."""
    file = made(tmp_path / "model.onnx", module.linear.weight, module.linear.bias)
    model = onnx.load(file)
    model.graph.node[1].op_type = "ArgMin"
    onnx.save(model, file)
    found = problem_of(file, NETWORK, module)
    assert found is not None
    assert "elements of output 1 differ" in found


def test_what_cannot_be_loaded_is_wrong(module: Decided, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"nothing")
    assert "cannot load" in str(problem_of(file, NETWORK, module))
