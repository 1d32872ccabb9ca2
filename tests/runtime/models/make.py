"""Makes the small models that the runtime's tests run on, so that those tests need neither torch nor onnx.

    python tests/runtime/models/make.py

four_blobs.onnx is the example as `make train export` writes it; tensors.onnx stands for files from elsewhere: it has
several inputs of every type, gives each back, and carries no signature. three_labels.onnx answers a multiclass task.
outputs.onnx gives a float, an integer and a bool, without a signature; tests append certificates to it.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_export import export_checkpoint
from edge_runtime import Input, Signature
from edge_runtime.signature import METADATA_KEY, default_features
from edge_train import four_blobs, save_checkpoint, train

HERE = Path(__file__).parent

TENSORS = {
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
    write(graph, path, {METADATA_KEY: signature.to_json()})


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
            numpy_helper.from_array(np.float32(0), "zero"),
        ],
    )
    write(graph, path)


def write(graph: onnx.GraphProto, path: Path, metadata: dict[str, str] | None = None) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    make_four_blobs(HERE / "four_blobs.onnx")
    make_tensors(HERE / "tensors.onnx")
    make_three_labels(HERE / "three_labels.onnx")
    make_outputs(HERE / "outputs.onnx")
