"""The formats and precisions that can be chosen; apart from what makes them, which takes seconds to import."""

from enum import StrEnum


class Format(StrEnum):
    """A kind of file; its value is the ending of the file's name."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    ORT = "ort"
    # With a header and a test beside it.
    C = "c"
    # A module of Python in a wheel, whose name is longer.
    EXTENSION = "extension"


class Precision(StrEnum):
    """How a file holds its weights and computes with them."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    # Weights in 8 bits; the ranges of activations are fixed beforehand, from data.
    INT8 = "int8"
    # Weights in 8 bits; the ranges of activations are found anew in each call.
    INT8_DYNAMIC = "int8-dynamic"


# What ONNX Runtime reads.
FOR_ONNX_RUNTIME = (Format.ONNX, Format.ORT)


def is_made(kind: Format, precision: Precision) -> bool:
    """Whether there are files of a format in a precision: C holds weights in 8 bits, the others are float32 only."""
    return kind in FOR_ONNX_RUNTIME or precision == Precision.FLOAT32 or (kind, precision) == (Format.C, Precision.INT8)


# The lowest opset that torch's exporter writes without converting; ONNX Runtime loads it from 1.14 on
# (https://onnxruntime.ai/docs/reference/compatibility.html).
LOWEST_OPSET = 18
