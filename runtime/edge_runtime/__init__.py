"""edge_runtime: predictions from an exported model, without torch.

```python
from edge_runtime import Predictor

predictor = Predictor("model.onnx")
predictor.predict_one([-1, 1])  # Prediction(label=1, probability=0.9927064180374146)
```
"""

# Before all else: the program may import ONNX Runtime next.
from edge_runtime.contract import telemetry as _telemetry  # noqa: F401

# Type checkers take this name for true. Neither typing nor anything else that takes time is imported before a name is
# used, so that the command can be interrupted quietly from the start, and numpy is loaded with what needs it.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate, ReferenceBatch
    from edge_runtime.contract.conformal import Conformal
    from edge_runtime.contract.errors import (
        CannotFit,
        CannotWrite,
        ContentMismatch,
        DeadlineExceeded,
        DeviceUnavailable,
        EdgePredictError,
        ExtraNotInstalled,
        InferenceFailed,
        InvalidInput,
        InvalidModel,
        IsolationFailed,
        ModelAltered,
        ModelNotFound,
        NoBaseline,
        NoCertificate,
        NoFeatures,
        NoIntervals,
        NoProbabilities,
        NoSignature,
        NotSigned,
        NotTrusted,
        OutOfResources,
        PredictorClosed,
        RuntimeNotInstalled,
        UnknownDevice,
        UnknownSigner,
        VerificationFailed,
    )
    from edge_runtime.contract.input_ranges import InputRange
    from edge_runtime.contract.limits import Limits
    from edge_runtime.contract.notation import Notation
    from edge_runtime.contract.signature import Feature, Input, Signature
    from edge_runtime.contract.tensors import TensorSpec
    from edge_runtime.contract.version import __version__
    from edge_runtime.engine.model_metadata import ModelMetadata
    from edge_runtime.explanation import Explanation
    from edge_runtime.isolate.predictor import IsolatedPredictor
    from edge_runtime.opened_model import OpenedModel
    from edge_runtime.prediction import Prediction
    from edge_runtime.predictor import Predictor
    from edge_runtime.scoring.score import score
    from edge_runtime.scoring.summary import Summary
    from edge_runtime.verification import Check, Verification
else:

    def __getattr__(name):
        from edge_runtime.contract.lazy import lazy_names

        return lazy_names(__name__, _HOMES)(name)


__all__ = [
    "CannotFit",
    "CannotWrite",
    "Certificate",
    "Check",
    "Conformal",
    "ContentMismatch",
    "DeadlineExceeded",
    "DeviceUnavailable",
    "EdgePredictError",
    "Explanation",
    "ExtraNotInstalled",
    "Feature",
    "InferenceFailed",
    "Input",
    "InputRange",
    "InvalidInput",
    "InvalidModel",
    "IsolatedPredictor",
    "IsolationFailed",
    "Limits",
    "ModelAltered",
    "ModelMetadata",
    "ModelNotFound",
    "NoBaseline",
    "NoCertificate",
    "NoFeatures",
    "NoIntervals",
    "NoProbabilities",
    "NoSignature",
    "NotSigned",
    "NotTrusted",
    "Notation",
    "OpenedModel",
    "OutOfResources",
    "Prediction",
    "Predictor",
    "PredictorClosed",
    "ReferenceBatch",
    "RuntimeNotInstalled",
    "Signature",
    "Summary",
    "TensorSpec",
    "UnknownDevice",
    "UnknownSigner",
    "Verification",
    "VerificationFailed",
    "__version__",
    "score",
]

_HOMES = {
    "CannotFit": "edge_runtime.contract.errors",
    "CannotWrite": "edge_runtime.contract.errors",
    "Certificate": "edge_runtime.contract.certificate",
    "Check": "edge_runtime.verification",
    "Conformal": "edge_runtime.contract.conformal",
    "ContentMismatch": "edge_runtime.contract.errors",
    "DeadlineExceeded": "edge_runtime.contract.errors",
    "DeviceUnavailable": "edge_runtime.contract.errors",
    "EdgePredictError": "edge_runtime.contract.errors",
    "Explanation": "edge_runtime.explanation",
    "ExtraNotInstalled": "edge_runtime.contract.errors",
    "Feature": "edge_runtime.contract.signature",
    "InferenceFailed": "edge_runtime.contract.errors",
    "Input": "edge_runtime.contract.signature",
    "InputRange": "edge_runtime.contract.input_ranges",
    "InvalidInput": "edge_runtime.contract.errors",
    "InvalidModel": "edge_runtime.contract.errors",
    "IsolatedPredictor": "edge_runtime.isolate.predictor",
    "IsolationFailed": "edge_runtime.contract.errors",
    "Limits": "edge_runtime.contract.limits",
    "ModelAltered": "edge_runtime.contract.errors",
    "ModelMetadata": "edge_runtime.engine.model_metadata",
    "ModelNotFound": "edge_runtime.contract.errors",
    "NoBaseline": "edge_runtime.contract.errors",
    "NoCertificate": "edge_runtime.contract.errors",
    "NoFeatures": "edge_runtime.contract.errors",
    "NoIntervals": "edge_runtime.contract.errors",
    "NoProbabilities": "edge_runtime.contract.errors",
    "NoSignature": "edge_runtime.contract.errors",
    "NotSigned": "edge_runtime.contract.errors",
    "NotTrusted": "edge_runtime.contract.errors",
    "Notation": "edge_runtime.contract.notation",
    "OpenedModel": "edge_runtime.opened_model",
    "OutOfResources": "edge_runtime.contract.errors",
    "Prediction": "edge_runtime.prediction",
    "Predictor": "edge_runtime.predictor",
    "PredictorClosed": "edge_runtime.contract.errors",
    "ReferenceBatch": "edge_runtime.contract.certificate",
    "RuntimeNotInstalled": "edge_runtime.contract.errors",
    "Signature": "edge_runtime.contract.signature",
    "Summary": "edge_runtime.scoring.summary",
    "TensorSpec": "edge_runtime.contract.tensors",
    "UnknownDevice": "edge_runtime.contract.errors",
    "UnknownSigner": "edge_runtime.contract.errors",
    "Verification": "edge_runtime.verification",
    "VerificationFailed": "edge_runtime.contract.errors",
    "__version__": "edge_runtime.contract.version",
    "score": "edge_runtime.scoring.score",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
