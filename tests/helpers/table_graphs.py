"""Graphs of models of tables: strings become rows of numbers, missing values are filled in, dates become days."""

import numpy as np
import onnx
import sales
from onnx import TensorProto, helper, numpy_helper

from edge_runtime import Feature

# Nodes of a graph, and their weights.
Parts = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def encoded(column: int, feature: Feature, table: np.ndarray, output: str) -> Parts:
    """Nodes and weights that give a row of `table` for a string in a column of `text`: unknown, missing, categories."""
    keys = ["", *map(str, feature.categories)]
    nodes = [
        helper.make_node("Gather", ["text", f"{output}_column"], [f"{output}_text"], axis=1),
        helper.make_node(
            "LabelEncoder",
            [f"{output}_text"],
            [f"{output}_code"],
            domain="ai.onnx.ml",
            keys_strings=keys,
            values_int64s=list(range(1, len(keys) + 1)),
            default_int64=0,
        ),
        helper.make_node("Gather", [f"{output}_table", f"{output}_code"], [output]),
    ]
    weights = [
        numpy_helper.from_array(np.array(column, np.int64), f"{output}_column"),
        numpy_helper.from_array(table.astype(np.float32), f"{output}_table"),
    ]
    return nodes, weights


def without_missing_values(mean: np.ndarray) -> Parts:
    """Nodes and a weight that give `x` with `mean` in place of its missing values, as `filled`."""
    nodes = [
        helper.make_node("IsNaN", ["x"], ["is_missing"]),
        helper.make_node("Where", ["is_missing", "mean", "x"], ["filled"]),
    ]
    return nodes, [numpy_helper.from_array(mean.astype(np.float32), "mean")]


def sales_graph() -> onnx.GraphProto:
    """What `sales.sales` computes."""
    filling, mean = without_missing_values(sales.MEAN)
    zips, of_zip = encoded(0, sales.ZIP, sales.OF_ZIP, "zip")
    integers = {"origin": sales.ORIGIN, "missing": sales.MISSING}
    floats = {
        "day": np.array(sales.DAY),
        "missing_days": sales.MISSING_DAYS,
        "weight": sales.WEIGHT,
        "weight_of_days": sales.WEIGHT_OF_DAYS,
    }
    return helper.make_graph(
        [
            *filling,
            *zips,
            helper.make_node("Sub", ["date", "origin"], ["seconds"]),
            helper.make_node("Cast", ["seconds"], ["since"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["since", "day"], ["days"]),
            helper.make_node("Equal", ["date", "missing"], ["is_absent"]),
            helper.make_node("Where", ["is_absent", "missing_days", "days"], ["filled_days"]),
            helper.make_node("MatMul", ["filled", "weight"], ["numbers"]),
            helper.make_node("MatMul", ["filled_days", "weight_of_days"], ["dates"]),
            helper.make_node("Sum", ["numbers", "zip", "dates"], ["value"]),
        ],
        "sales",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("text", TensorProto.STRING, ["batch", 1]),
            helper.make_tensor_value_info("date", TensorProto.INT64, ["batch", 2]),
        ],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch", 1])],
        [
            *mean,
            *of_zip,
            *(numpy_helper.from_array(np.array(number, np.int64), name) for name, number in integers.items()),
            *(numpy_helper.from_array(array.astype(np.float32), name) for name, array in floats.items()),
        ],
    )
