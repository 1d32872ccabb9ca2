"""Makes the small models that the runtime's tests run on, so that those tests need neither torch nor onnx.

    python tests/runtime/models/make.py

four_blobs.onnx is the example as `make train export` writes it; tensors.onnx stands for files from elsewhere: it has
several inputs of every type, gives each back, and carries no signature.
"""

import shutil
import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from edge_export import export_checkpoint
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
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    make_four_blobs(HERE / "four_blobs.onnx")
    make_tensors(HERE / "tensors.onnx")
