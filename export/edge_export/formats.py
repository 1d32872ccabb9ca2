"""The kinds of file that can be made; apart from what makes them, since that needs torch."""

from enum import StrEnum


class Format(StrEnum):
    """A kind of file; its value is the ending of the file's name."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    ORT = "ort"
