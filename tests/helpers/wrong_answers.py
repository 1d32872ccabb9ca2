"""Models whose answers do not have the shape that they declare."""

from collections.abc import Sequence

import numpy as np
from written_models import attribute, graph, model, node, tensor, value

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY, WORKLOAD_KEY
from edge_runtime.contract.workload import Workload

LABELS = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}
TASKS = {"binary": "binary_classification", "multiclass": "multiclass_classification", "regression": "regression"}

# What is made of the right answers `p`, of shape (rows, columns), and the weights for it. Of `hidden` ones ONNX Runtime
# does not know the shape before the call.
WRONG: dict[str, tuple[Sequence[bytes], Sequence[bytes]]]


def _integers(name: str, *values: int) -> bytes:
    return tensor(name, np.array(values, np.int64))


def _hidden(*shape: int) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """`p` in another shape: of a longer one the first sizes, as many as the call computes."""
    nodes = [
        node("ReduceMax", ["x"], ["largest"], attribute("keepdims", 0)),
        node("Sub", ["largest", "largest"], ["zero"]),
        node("Cast", ["zero"], ["nothing"], attribute("to", 7)),
        node("Add", ["length", "nothing"], ["count"]),
        node("Slice", ["longer", "begin", "count"], ["shape"]),
        node("Reshape", ["p", "shape"], ["y"]),
    ]
    return nodes, [_integers("length", len(shape)), _integers("begin", 0), _integers("longer", *shape, 7)]


WRONG = {
    "each row twice": ([node("Concat", ["p", "p"], ["y"], attribute("axis", 0))], []),
    "one row": (
        [node("Slice", ["p", "from", "to", "axis"], ["y"])],
        [_integers("from", 0), _integers("to", 1), _integers("axis", 0)],
    ),
    "no rows": ([node("Slice", ["p", "from", "from", "from"], ["y"])], [_integers("from", 0)]),
    "one axis, hidden": _hidden(-1),
    "three axes, hidden": _hidden(-1, 1, 1),
    "one row of all, hidden": _hidden(1, -1),
    "always five rows, folded": (
        [
            node("NonZero", ["ones"], ["places"]),
            node("Cast", ["places"], ["row"], attribute("to", 1)),
            node("Transpose", ["row"], ["column"]),
            node("Expand", ["column", "wide"], ["y"]),
        ],
        [tensor("ones", np.ones(5, np.float32))],
    ),
}


def wrong(name: str, task: str, batch: str = "batch", workload: Workload | None = None) -> bytes:
    """A model of two numbers, whose answers are `WRONG[name]`.

    Args:
        name: what is wrong.
        task: a key of `LABELS`.
        batch: what it calls the first axis of its answers; that of its inputs is "batch".
        workload: what it says of its work.
    """
    labels, (nodes, weights) = LABELS[task], WRONG[name]
    width = 3 if task == "multiclass" else 1
    main = graph(
        [node("MatMul", ["x", "weight"], ["sum"]), node("Sigmoid", ["sum"], ["p"]), *nodes],
        [value("x", ["batch", 2])],
        [value("y", [batch, width])],
        [
            tensor("weight", np.linspace(-1, 1, 2 * width, dtype=np.float32).reshape(2, width)),
            _integers("wide", 5, width),
            *weights,
        ],
    )
    features = (Feature("a"), Feature("b"))
    signature = Signature((Input("x", features),), "y", labels, TASKS[task])  # type: ignore[arg-type]
    metadata = {SIGNATURE_KEY: signature.to_json()}
    return model(main, metadata=metadata | ({} if workload is None else {WORKLOAD_KEY: workload.to_json()}))
