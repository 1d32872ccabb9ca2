"""Makes the small models that the runtime's tests run on, so that those tests need neither torch nor onnx.

    python tests/runtime/models/make.py

four_blobs.onnx is the example as `make train export` writes it; tensors.onnx stands for files from elsewhere: it has
several inputs of every type, gives each back, and carries no signature. three_labels.onnx answers a multiclass task.
outputs.onnx gives a float, an integer and a boolean, without a signature; tests append certificates to it.

penguins.onnx takes numbers, a boolean, a string and an integer code, with missing values, and answers one of three
labels; islands.onnx takes only strings; mass.onnx is a regression of two numbers. Their weights are in
tests/helpers/tables.py. sales.onnx takes values as people write them: prices, words of booleans, codes with zeros
before their digits, and dates; its weights are in tests/helpers/sales.py.
two_inputs.onnx adds two numbers that are inputs of their own.
images.onnx answers one of three labels for images of 2 x 3 x 4 numbers; words.onnx answers one of two for lists of
integers of any length, with a mask. Their weights are in tests/helpers/tensor_models.py.
kinds.onnx takes an optional tensor, a sequence, a tensor of any rank, and a weight that may be overridden; maps.onnx
takes a map, and gives one; half.onnx takes and gives bfloat16; quarter.onnx takes and gives int4 and an 8-bit float.
float16.onnx is a table of numbers whose tensors are float16.

custom_operators.onnx needs an operator of onnxruntime-extensions. external.onnx has its weights in external.weights.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from edge_export import export_checkpoint
from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import default_features
from edge_train import four_blobs, save_checkpoint, train

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "helpers"))

import model_texts  # noqa: E402
import sales  # noqa: E402
import tables  # noqa: E402
import tensor_models  # noqa: E402
from table_graphs import encoded, sales_graph, without_missing_values  # noqa: E402

TENSORS: dict[str, tuple[int, list[str | int | None]]] = {
    "float16": (TensorProto.FLOAT16, ["batch", 2]),
    "float32": (TensorProto.FLOAT, ["batch", 2]),
    "float64": (TensorProto.DOUBLE, ["batch"]),
    "int8": (TensorProto.INT8, ["batch"]),
    "int64": (TensorProto.INT64, ["batch"]),
    "uint8": (TensorProto.UINT8, [3]),
    "bool": (TensorProto.BOOL, [None]),
    "string": (TensorProto.STRING, ["batch"]),
    "scalar": (TensorProto.FLOAT, []),
}


def make_four_blobs(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model.pt"
        save_checkpoint(train(four_blobs(seed=0)).model, checkpoint)
        (export,) = export_checkpoint(checkpoint, formats=["onnx"])
        shutil.copy(export.path, path)


def make_tensors(path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in TENSORS],
        "tensors",
        [helper.make_tensor_value_info(name, *spec) for name, spec in TENSORS.items()],
        [helper.make_tensor_value_info(f"{name}_out", *spec) for name, spec in TENSORS.items()],
    )
    write(graph, path)


def make_three_labels(path: Path) -> None:
    weight = np.array([[2, 0, -2], [0, 3, 0]], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "three_labels",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(weight, "weight")],
    )
    signature = Signature(
        (Input("x", default_features(2)),), "probabilities", ("right", "up", "left"), "multiclass_classification"
    )
    write(graph, path, {SIGNATURE_KEY: signature.to_json()})


def make_outputs(path: Path) -> None:
    """y = x * weight; largest: in which column; positive: whether y is."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "weight"], ["y"]),
            helper.make_node("ArgMax", ["y"], ["largest"], axis=1, keepdims=0),
            helper.make_node("Greater", ["y", "zero"], ["positive"]),
        ],
        "outputs",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("largest", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("positive", TensorProto.BOOL, ["batch", 2]),
        ],
        [
            numpy_helper.from_array(np.array([2.5, -1.25], np.float32), "weight"),
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
        ],
    )
    write(graph, path)


def make_penguins(path: Path) -> None:
    filling, mean = without_missing_values(tables.MEAN)
    islands, of_island = encoded(0, tables.ISLAND, tables.OF_ISLAND, "island")
    years, of_year = encoded(1, tables.YEAR, tables.OF_YEAR, "year")
    graph = helper.make_graph(
        [
            *filling,
            *islands,
            *years,
            helper.make_node("MatMul", ["filled", "weight"], ["numbers"]),
            helper.make_node("Sum", ["numbers", "island", "year"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "penguins",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("text", TensorProto.STRING, ["batch", 2]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])],
        [*mean, *of_island, *of_year, numpy_helper.from_array(tables.WEIGHT.astype(np.float32), "weight")],
    )
    write(graph, path, {SIGNATURE_KEY: tables.PENGUINS.to_json()})


def make_islands(path: Path) -> None:
    islands, of_island = encoded(0, tables.ISLAND, tables.OF_ISLAND[:, :1], "island")
    years, of_year = encoded(1, tables.YEAR, tables.OF_YEAR[:, :1], "year")
    graph = helper.make_graph(
        [
            *islands,
            *years,
            helper.make_node("Sum", ["island", "year"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["probability"]),
        ],
        "islands",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["batch", 2])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1])],
        [*of_island, *of_year],
    )
    write(graph, path, {SIGNATURE_KEY: tables.ISLANDS.to_json()})


def make_mass(path: Path) -> None:
    filling, mean = without_missing_values(tables.MASS_MEAN)
    graph = helper.make_graph(
        [*filling, helper.make_node("MatMul", ["filled", "weight"], ["value"])],
        "mass",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch", 1])],
        [*mean, numpy_helper.from_array(tables.MASS_WEIGHT.astype(np.float32), "weight")],
    )
    write(graph, path, {SIGNATURE_KEY: tables.MASS.to_json()})


def make_two_inputs(path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["value"])],
        "two_inputs",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in "ab"],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch", 1])],
    )
    inputs = tuple(Input(name, (Feature(name),)) for name in "ab")
    write(graph, path, {SIGNATURE_KEY: Signature(inputs, "value", (), "regression").to_json()})


def make_images(path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "images",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *tensor_models.IMAGE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(tensor_models.IMAGE_WEIGHT, "weight")],
    )
    write(graph, path, {SIGNATURE_KEY: tensor_models.IMAGES.to_json()})


def make_words(path: Path) -> None:
    """The sigmoid of the mean of ids / 10 - 1, where the mask is."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["ids"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["mask"], ["counts"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["numbers", "ten"], ["scaled"]),
            helper.make_node("Sub", ["scaled", "one"], ["shifted"]),
            helper.make_node("Mul", ["shifted", "counts"], ["masked"]),
            helper.make_node("ReduceSum", ["masked", "axes"], ["sum"]),
            helper.make_node("ReduceSum", ["counts", "axes"], ["count"]),
            helper.make_node("Div", ["sum", "count"], ["mean"]),
            helper.make_node("Sigmoid", ["mean"], ["probability"]),
        ],
        "words",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("mask", TensorProto.BOOL, ["batch", "length"]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1])],
        [
            numpy_helper.from_array(np.array(10, np.float32), "ten"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
            numpy_helper.from_array(np.array([1]), "axes"),
        ],
    )
    write(graph, path, {SIGNATURE_KEY: tensor_models.WORDS.to_json()})


def make_float16(path: Path) -> None:
    """The probability is x1 + x2 / 2, so that rows can be as near to the threshold as float16 has numbers."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["probability"])],
        "float16",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["batch", 2])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT16, ["batch", 1])],
        [numpy_helper.from_array(np.array([[1], [0.5]], np.float16), "weight")],
    )
    features = (Feature("x1", minimum=0.1, maximum=0.7), Feature("x2", minimum=-1, maximum=1, missing=0.0))
    signature = Signature((Input("x", features),), "probability", ("no", "yes"), threshold=0.3)
    write(graph, path, {SIGNATURE_KEY: signature.to_json()})


def make_custom_operators(path: Path) -> None:
    """The sum of the positive numbers in a row; `NegPos` separates them from the negative ones."""
    graph = helper.make_graph(
        [
            helper.make_node("NegPos", ["x"], ["negative", "positive"], domain="ai.onnx.contrib"),
            helper.make_node("MatMul", ["positive", "ones"], ["value"]),
        ],
        "custom_operators",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(np.ones((2, 1), np.float32), "ones")],
    )
    signature = Signature((Input("x", default_features(2)),), "value", (), "regression")
    write(graph, path, {SIGNATURE_KEY: signature.to_json()})


def make_external(path: Path) -> None:
    """y = x * weight."""
    weight = numpy_helper.from_array(np.array([2.5, -1.25], np.float32), "weight")
    path.with_suffix(".weights").write_bytes(weight.raw_data)
    external_data_helper.set_external_data(weight, path.with_suffix(".weights").name)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "weight"], ["y"])],
        "external",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [weight],
    )
    write(graph, path)


def write(graph: onnx.GraphProto, path: Path, metadata: dict[str, str] | None = None) -> None:
    opsets = [helper.make_opsetid("", 16)]
    versions = {"ai.onnx.ml": 3, "ai.onnx.contrib": 1}
    opsets += [helper.make_opsetid(domain, versions[domain]) for domain in {node.domain for node in graph.node} - {""}]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, metadata or {})
    path.write_bytes(model.SerializeToString(deterministic=True))
    # By its path, beside which its data may lie.
    onnx.checker.check_model(path, full_check=True)


if __name__ == "__main__":
    make_four_blobs(HERE / "four_blobs.onnx")
    make_tensors(HERE / "tensors.onnx")
    make_three_labels(HERE / "three_labels.onnx")
    make_outputs(HERE / "outputs.onnx")
    make_penguins(HERE / "penguins.onnx")
    make_islands(HERE / "islands.onnx")
    make_mass(HERE / "mass.onnx")
    write(sales_graph(), HERE / "sales.onnx", {SIGNATURE_KEY: sales.SALES.to_json()})
    make_two_inputs(HERE / "two_inputs.onnx")
    make_images(HERE / "images.onnx")
    make_words(HERE / "words.onnx")
    make_float16(HERE / "float16.onnx")
    for name, text in model_texts.TEXTS.items():
        (HERE / f"{name}.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString(deterministic=True))
    make_custom_operators(HERE / "custom_operators.onnx")
    make_external(HERE / "external.onnx")
