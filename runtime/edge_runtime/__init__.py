"""edge_runtime: predictions from an exported model, without torch.

from edge_runtime import Predictor

predictor = Predictor("model.onnx")
predictor.predict_one([-1, 1])  # Prediction(label=1, probability=0.9861)
"""

from typing import TYPE_CHECKING, Any

from edge_runtime.errors import (
    DeviceUnavailable,
    EdgePredictError,
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    ModelNotFound,
    NoSignature,
    RuntimeNotInstalled,
    UnknownDevice,
)
from edge_runtime.signature import Feature, Input, Signature

if TYPE_CHECKING:
    from edge_runtime.arrays import TensorSpec
    from edge_runtime.predictor import Prediction, Predictor

__version__ = "0.1.0"

__all__ = [
    "DeviceUnavailable",
    "EdgePredictError",
    "Feature",
    "InferenceFailed",
    "Input",
    "InvalidInput",
    "InvalidModel",
    "ModelNotFound",
    "NoSignature",
    "Prediction",
    "Predictor",
    "RuntimeNotInstalled",
    "Signature",
    "TensorSpec",
    "UnknownDevice",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # numpy comes with the first use of Predictor, so that the shell's --help and --version, and training's use of the
    # signature, do not pay for it.
    if name in ("Prediction", "Predictor"):
        from edge_runtime import predictor

        return getattr(predictor, name)
    if name == "TensorSpec":
        from edge_runtime.arrays import TensorSpec

        return TensorSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
