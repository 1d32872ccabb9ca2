"""ONNX Runtime's errors, as errors of this package."""

import re

from edge_runtime.contract.errors import (
    EdgePredictError,
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    ModelNotFound,
)
from edge_runtime.contract.terminal import one_line


def translated(error: Exception, model: str) -> EdgePredictError:
    """ONNX Runtime's `error` about `model`, as an error of ours.

    Its exceptions derive from Exception directly, and only the names of their classes say what kind they are.
    """
    reason = reason_of(error)
    match type(error).__name__:
        case "NoSuchFile":
            return ModelNotFound(f"{model}: no such file, or one that it refers to is missing: {reason}")
        case "InvalidProtobuf" | "InvalidGraph" | "NoModel" | "ModelLoaded" | "ModelRequiresCompilation":
            return InvalidModel(f"{model} is not a model that ONNX Runtime can load: {reason}")
        case "InvalidArgument" | "ValueError" | "TypeError":
            return InvalidInput(f"{model} cannot take these inputs: {reason}")
        case _:
            return InferenceFailed(f"ONNX Runtime failed on {model}: {reason}")


def loading_error(error: Exception, name: str) -> EdgePredictError:
    """What ONNX Runtime raised while it loaded the model `name`, as an error of ours."""
    translation = translated(error, name)
    if isinstance(translation, ModelNotFound):
        return translation
    reason = re.sub("^Load model from .*? failed:", "", reason_of(error)).rstrip(".")
    if "xternal data path" in reason or "xternal initializer" in reason:
        return InvalidModel(
            f"{name} has its weights in files beside it, so open it by its path, with all of them there ({reason})"
        )
    return InvalidModel(f"{name} is not a model that ONNX Runtime can load ({reason}); edge-export makes one")


def reason_of(error: Exception) -> str:
    """The message of `error` in one line, without ONNX Runtime's prefix."""
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", one_line(error))
