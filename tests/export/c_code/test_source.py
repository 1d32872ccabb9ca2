"""From a graph to statements in C."""

import numpy as np
import onnxruntime
import pytest
import torch
from c_models import assert_model_like_onnxruntime, code_of, model_of, run_in_c
from hypothesis import given
from hypothesis import strategies as st
from onnx import ValueInfoProto, helper
from random_modules import random_module
from tiers import examples, mostly_slow
from zoo import ZOO

from edge_export.c_code.compiler import compilers, load_c
from edge_export.c_code.files import c_code
from edge_export.c_code.source import unsupported
from edge_export.c_code.static_graph import static_graph
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.formats.onnx_file import onnx_model
from edge_export.tensors import Array, Tensors


def rows(program: Program, seed: int) -> Tensors:
    """A row for each input."""
    random = np.random.default_rng(seed)
    found = {}
    for spec in program.inputs:
        shape = [1 if axis == "batch" else 7 if isinstance(axis, str) else axis for axis in spec.shape]
        match spec.dtype.kind:
            case "f":
                found[spec.name] = random.normal(size=shape).astype(spec.dtype)
            case "b":
                found[spec.name] = random.random(shape) < 0.5
            case _:
                found[spec.name] = random.integers(0, 3, shape).astype(spec.dtype)
    return found


def assert_same(program: Program, seeds: int = 3) -> None:
    """See that C and ONNX Runtime compute the same for some rows."""
    model = onnx_model(program, 18)
    code = c_code(static_graph(model, dict.fromkeys(program.dimensions, 7) | {"batch": 1}), None, "net")
    run = load_c(code, (*compilers()[0], "-O1"), is_batched=False)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for seed in range(seeds):
        row = rows(program, seed)
        for found, expected in zip(run(row).values(), session.run(None, dict(row)), strict=True):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            size = float(np.nanmax(np.abs(expected.astype(np.float64)), initial=1e-3))
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * size)


@pytest.mark.parametrize("name", mostly_slow(sorted(ZOO), ["convolutions", "transformer"]))
def test_the_zoo(name: str) -> None:
    torch.manual_seed(0)
    example = ZOO[name]
    assert_same(capture(example.module(), example.example(), example.options.get("dynamic")))


# Some seconds an example.
@pytest.mark.slow
@examples(1, 60)
@given(st.integers(0, 2**32 - 1))
def test_random_modules(seed: int) -> None:
    assert_same(capture(*random_module(seed)))


def test_operators_that_there_is_no_code_for_are_named() -> None:
    x = np.zeros((2, 3), np.float32)
    nodes = [helper.make_node("CumSum", ["x", "axis"], ["a"]), helper.make_node("Det", ["square"], ["b"])]
    model = model_of(nodes, {"x": x, "square": np.eye(2, dtype=np.float32)}, ["a", "b"], {"axis": np.array(0)})
    missing = unsupported(static_graph(model, {}))
    assert "Det" in missing
    with pytest.raises(ExportError, match=r"there is no C code for the ONNX operators? .*Det"):
        code_of(model)


def test_operators_come_in_an_order_in_which_they_can_be_computed() -> None:
    """The second product needs what stands between, although it is elementwise like what comes before."""
    x = np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3)
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("MatMul", ["a", "x"], ["b"]),
        helper.make_node("Exp", ["b"], ["c"]),
        helper.make_node("Add", ["a", "c"], ["d"]),
        helper.make_node("MatMul", ["d", "a"], ["y"]),
    ]
    assert_model_like_onnxruntime(model_of(nodes, {"x": x}, ["y"]), {"x": x})


def test_layers_are_found_by_their_names() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    code = c_code(static_graph(onnx_model(capture(net, torch.zeros(2, 3)), 18), {"batch": 1}), None, "net")
    assert "/* Gemm: 0.weight, 0.bias */" in code.source
    assert "/* Gemm: 2.weight, 2.bias */" in code.source


def test_what_one_branch_puts_into_order_is_not_taken_for_done_in_the_other() -> None:
    branches = [
        helper.make_graph(
            [
                helper.make_node("Flatten", ["t"], [f"{name}_flat"], axis=0),
                helper.make_node(kind, [f"{name}_flat"], [name]),
            ],
            name,
            [],
            [ValueInfoProto(name=name)],
        )
        for name, kind in (("yes", "Neg"), ("no", "Exp"))
    ]
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"]),
        helper.make_node("If", ["holds"], ["chosen"], then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("Flatten", ["t"], ["after"], axis=0),
        helper.make_node("Add", ["chosen", "after"], ["y"]),
    ]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for holds in (True, False):
        inputs: dict[str, Array] = {"x": x, "holds": np.array(holds)}
        model = model_of(nodes, inputs, ["y"])
        assert_model_like_onnxruntime(model, inputs)


def test_an_input_that_nothing_is_computed_from() -> None:
    x = np.ones(3, np.float32)
    model = model_of([helper.make_node("Neg", ["x"], ["y"])], {"x": x, "unused": x}, ["y"])
    (found,) = run_in_c(model, {"x": x, "unused": x}).values()
    np.testing.assert_array_equal(found, -x)


def test_inputs_that_are_called_like_what_the_code_calls() -> None:
    names = ["expf", "NET_OK", "net_run", "net_checksum", "int64_t", "NULL", "crc_32", "total", "i", "found"]
    inputs: dict[str, Array] = {name: np.full(3, 0.1, np.float32) for name in names}
    nodes = [helper.make_node("Sum", names, ["sum"]), helper.make_node("Exp", ["sum"], ["y"])]
    assert_model_like_onnxruntime(model_of(nodes, inputs, ["y"]), inputs)
