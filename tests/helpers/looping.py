"""A model that computes for ever on some rows."""

import numpy as np
from written_models import BOOL, INT64, attribute, graph, model, node, tensor, value

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.labels import Label
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY, WORKLOAD_KEY
from edge_runtime.contract.workload import Workload

# What it answers, and what it does not.
ROW = [-1.0, 1.0]
FOR_EVER = [1000.0, 0.0]


def looping(labels: tuple[Label, ...] = ("no", "yes"), workload: Workload | None = None) -> bytes:
    """A model of two numbers that ends only if none of them, in all rows of a call, is above 100.

    Args:
        labels: three for a multiclass task, two for a binary one, none for a regression.
        workload: what it says of its work.
    """
    width = max(1, len(labels)) if len(labels) != 2 else 1
    body = graph(
        [node("Identity", ["go"], ["more"]), node("Identity", ["before"], ["after"])],
        [value("round", [], INT64), value("is_wanted", [], BOOL), value("before", ["batch", width])],
        [value("more", [], BOOL), value("after", ["batch", width])],
    )
    main = graph(
        [
            node("MatMul", ["x", "weight"], ["sum"]),
            node("Sigmoid" if width == 1 else "Softmax", ["sum"], ["answer"]),
            node("ReduceMax", ["x"], ["largest"], attribute("keepdims", 0)),
            node("Greater", ["largest", "hundred"], ["go"]),
            node("Loop", ["", "go", "answer"], ["probability"], attribute("body", body)),
        ],
        [value("x", ["batch", 2])],
        [value("probability", ["batch", width])],
        [
            tensor("weight", np.linspace(-1, 1, 2 * width, dtype=np.float32).reshape(2, width)),
            tensor("hundred", np.array(100, np.float32)),
        ],
    )
    task = {0: "regression", 2: "binary_classification"}.get(len(labels), "multiclass_classification")
    features = (Feature("a"), Feature("b"))
    signature = Signature((Input("x", features),), "probability", labels, task)  # type: ignore[arg-type]
    metadata = {SIGNATURE_KEY: signature.to_json()}
    return model(main, metadata=metadata | ({} if workload is None else {WORKLOAD_KEY: workload.to_json()}))
