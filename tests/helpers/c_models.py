"""Models in C beside the same models in ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper, shape_inference

from edge_export.c_code.compiler import compilers, load_c
from edge_export.c_code.files import CCode, c_code
from edge_export.c_code.static_graph import static_graph
from edge_export.tensors import Array, Tensors


def model_of(
    nodes: Sequence[Any], inputs: Mapping[str, Array], outputs: Sequence[str], constants: Mapping[str, Array] = {}
) -> ModelProto:
    """An ONNX model of nodes whose inputs have the types and shapes of these arrays."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in inputs.items()
        ],
        [ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return shape_inference.infer_shapes(model, strict_mode=True)


def code_of(model: ModelProto, name: str = "net") -> CCode:
    """The C code of a model without a batch."""
    return c_code(static_graph(model, {}), None, name)


def run_in_c(model: ModelProto, inputs: Tensors, *options: str) -> Tensors:
    """What the model computes in C, compiled with these options besides."""
    return load_c(code_of(model), (*compilers()[0], "-O1", *options), is_batched=False)(inputs)


def reporting() -> list[str]:
    """The options with which code reports on stderr what C leaves undefined; clang has none for a library."""
    return [] if "clang" in compilers()[0][0] else ["-fsanitize=undefined"]


@dataclass(frozen=True)
class Case:
    """An operator, and what it is applied to.

    Attributes:
        kind: the operator.
        inputs: its first inputs, which are given to the model.
        constants: the other inputs, which are in the model; None for one that is absent.
        outputs: how many it has.
        attributes: of the operator.
    """

    kind: str
    inputs: Sequence[Array]
    constants: Sequence[Array | None] = ()
    outputs: int = 1
    attributes: Mapping[str, Any] = field(default_factory=dict)


def assert_like_onnxruntime(*cases: Case, tolerance: float = 2e-6) -> None:
    """See that operators give in C what they give in ONNX Runtime: all of them in one model."""
    given: dict[str, Array] = {}
    fixed: dict[str, Array] = {}
    nodes, results = [], []
    for number, case in enumerate(cases):
        mine = {f"x{number}_{place}": array for place, array in enumerate(case.inputs)}
        others = {f"c{number}_{place}": array for place, array in enumerate(case.constants)}
        names = [*mine, *("" if array is None else name for name, array in others.items())]
        outputs = [f"y{number}_{place}" for place in range(case.outputs)]
        nodes.append(helper.make_node(case.kind, names, outputs, **case.attributes))
        given |= mine
        fixed |= {name: array for name, array in others.items() if array is not None}
        results += outputs
    assert_model_like_onnxruntime(model_of(nodes, given, results, fixed), given, tolerance)


def assert_model_like_onnxruntime(model: ModelProto, inputs: Tensors, tolerance: float = 2e-6) -> None:
    """See that a model gives in C what it gives in ONNX Runtime."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    expected = session.run(None, dict(inputs))
    found = run_in_c(model, inputs)
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    for (name, here), there in zip(found.items(), expected, strict=True):
        assert (here.dtype, here.shape) == (there.dtype, there.shape), name
        with np.errstate(invalid="ignore"):
            size = float(np.nanmax(np.abs(np.where(np.isfinite(there), there, 0).astype(np.float64)), initial=0)) or 1.0
        np.testing.assert_allclose(here, there, rtol=tolerance, atol=tolerance * size, err_msg=made_by[name])
