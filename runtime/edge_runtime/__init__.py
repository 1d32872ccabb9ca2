"""edge_runtime: predictions from an exported model, without torch.

```python
from edge_runtime import Predictor

predictor = Predictor("model.onnx")
predictor.predict_one([-1, 1])  # Prediction(label=1, probability=0.9927064180374146)
```
"""

from typing import TYPE_CHECKING

from edge_runtime.contract.errors import (
    CannotWrite,
    DeviceUnavailable,
    EdgePredictError,
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    ModelNotFound,
    NoCertificate,
    NoProbabilities,
    NoSignature,
    RuntimeNotInstalled,
    UnknownDevice,
    VerificationFailed,
)
from edge_runtime.contract.lazy import lazy_names
from edge_runtime.contract.signature import Feature, Input, Signature
from edge_runtime.contract.version import __version__

if TYPE_CHECKING:
    from edge_runtime.answering import Prediction
    from edge_runtime.contract.certificate import Certificate, ReferenceBatch
    from edge_runtime.contract.tensors import TensorSpec
    from edge_runtime.opened_model import OpenedModel
    from edge_runtime.predictor import Predictor
    from edge_runtime.verification import Check, Verification

__all__ = [
    "CannotWrite",
    "Certificate",
    "Check",
    "DeviceUnavailable",
    "EdgePredictError",
    "Feature",
    "InferenceFailed",
    "Input",
    "InvalidInput",
    "InvalidModel",
    "ModelNotFound",
    "NoCertificate",
    "NoProbabilities",
    "NoSignature",
    "OpenedModel",
    "Prediction",
    "Predictor",
    "ReferenceBatch",
    "RuntimeNotInstalled",
    "Signature",
    "TensorSpec",
    "UnknownDevice",
    "Verification",
    "VerificationFailed",
    "__version__",
]

# Their modules need numpy, which is loaded with the first use of one.
__getattr__ = lazy_names(
    __name__,
    {
        "Certificate": "edge_runtime.contract.certificate",
        "Check": "edge_runtime.verification",
        "ReferenceBatch": "edge_runtime.contract.certificate",
        "OpenedModel": "edge_runtime.opened_model",
        "Prediction": "edge_runtime.answering",
        "Predictor": "edge_runtime.predictor",
        "TensorSpec": "edge_runtime.contract.tensors",
        "Verification": "edge_runtime.verification",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
