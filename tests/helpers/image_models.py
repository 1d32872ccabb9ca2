"""A model of pictures, and pictures for it."""

import struct
import zlib

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Input, Signature

COLOURS = ("red", "green", "blue")


def colours_model() -> bytes:
    """Which colour a picture of 12 x 8 pixels has at its upper left: the softmax of its channels there."""
    from onnx import TensorProto, helper, numpy_helper

    mask = np.zeros((1, 1, 8, 12), np.float32)
    mask[..., 1:3, 1:5] = 48
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "mask"], ["corner"]),
            helper.make_node("ReduceMean", ["corner", "axes"], ["logits"], keepdims=0),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 12])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.array([2, 3]), "axes"), numpy_helper.from_array(mask, "mask")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    signature = Signature((Input("image"),), "probabilities", COLOURS, "multiclass_classification")
    helper.set_model_props(model, {SIGNATURE_KEY: signature.to_json()})
    return bytes(model.SerializeToString())


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A picture as PNG: https://www.w3.org/TR/png/.

    Args:
        pixels: red, green and blue, shape (height, width, 3).
    """
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
