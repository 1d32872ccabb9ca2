"""Makes small models that take ONNX Runtime down, or all the memory or time that there is. Open them in isolation.

    python tests/runtime/models/hostile/make.py

Each takes x, float32 [n, 2]. gather_nd.onnx reads beyond its memory. endless.onnx loops for ever; functions.onnx calls
2^24 functions, which ONNX Runtime writes out while it opens the model. doubling.onnx doubles a constant 40 times while
it is opened; doubling_rows.onnx doubles the rows of a call. huge.onnx gives 2^40 numbers; more_rows.onnx gives five
rows whatever it gets. named.onnx names an output with what controls a terminal.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

HERE = Path(__file__).parent
TIMES = 40
FUNCTIONS = 25


def gather_nd() -> GraphProto:
    node = helper.make_node("GatherND", ["x", "places"], ["y"], batch_dims=-(2**31))
    return graph([node], {"places": np.zeros((1, 1), np.int64)}, shape=None)


def endless() -> GraphProto:
    inner = [helper.make_node("Identity", [one], [f"{one}_next"]) for one in ("condition", "value")]
    body = helper.make_graph(
        inner,
        "body",
        [tensor("step", TensorProto.INT64, ()), tensor("condition", TensorProto.BOOL, ()), tensor("value")],
        [tensor("condition_next", TensorProto.BOOL, ()), tensor("value_next")],
    )
    return graph([helper.make_node("Loop", ["", "always", "x"], ["y"], body=body)], {"always": np.array(True)})


def doubling() -> GraphProto:
    return graph([*doubled("one"), *added()], {"one": np.ones(8, np.float32)})


def doubling_rows() -> GraphProto:
    return graph([*doubled("x"), *added()], {})


def huge() -> GraphProto:
    return graph(expanded(), {"shape": np.array([2**40])}, shape=None)


def more_rows() -> GraphProto:
    return graph(expanded(), {"shape": np.array([5, 2])})


def named() -> GraphProto:
    name = "y\x1b[2J\n"
    return helper.make_graph([helper.make_node("Identity", ["x"], [name])], "named", [tensor("x")], [tensor(name)])


def functions() -> list[FunctionProto]:
    """Each calls the next one twice."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    last = helper.make_function("d", f"f{FUNCTIONS - 1}", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], opsets)
    calls = [
        [helper.make_node(f"f{one + 1}", [given], [taken], domain="d") for given, taken in (("a", "m"), ("m", "b"))]
        for one in range(FUNCTIONS - 1)
    ]
    return [
        *(helper.make_function("d", f"f{one}", ["a"], ["b"], nodes, opsets) for one, nodes in enumerate(calls)),
        last,
    ]


def doubled(first: str) -> list[NodeProto]:
    names = [first, *(f"doubled_{one}" for one in range(TIMES))]
    return [helper.make_node("Concat", [one, one], [next_one], axis=0) for one, next_one in itertools.pairwise(names)]


def expanded() -> list[NodeProto]:
    return [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Expand", ["most", "shape"], ["y"]),
    ]


def added() -> list[NodeProto]:
    return [
        helper.make_node("ReduceSum", [f"doubled_{TIMES - 1}"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]


def graph(
    nodes: Sequence[NodeProto], weights: dict[str, np.ndarray], shape: Sequence[int | str] | None = ("n", 2)
) -> GraphProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    return helper.make_graph(nodes, "hostile", [tensor("x")], [tensor("y", shape=shape)], initializers)


def tensor(name: str, kind: int = TensorProto.FLOAT, shape: Sequence[int | str] | None = ("n", 2)) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(of: GraphProto, functions: Sequence[FunctionProto] = ()) -> ModelProto:
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid("d", 1)] if functions else [])]
    return helper.make_model(of, opset_imports=opsets, ir_version=8, functions=functions)


if __name__ == "__main__":
    for make in (gather_nd, endless, doubling, doubling_rows, huge, more_rows, named):
        (HERE / f"{make.__name__}.onnx").write_bytes(model(make()).SerializeToString())
    called = graph([helper.make_node("f0", ["x"], ["y"], domain="d")], {})
    (HERE / "functions.onnx").write_bytes(model(called, functions()).SerializeToString())
