"""Every error that edge-predict raises on purpose.

    EdgePredictError
    ├── ModelNotFound        (FileNotFoundError)  there is no such model file
    ├── InvalidModel         (ValueError)         not a model, a damaged one, or one this version cannot read
    ├── NoSignature          (TypeError)          the model does not say what its outputs mean
    ├── NoProbabilities      (TypeError)          the model answers with a value, not with labels
    ├── NoCertificate        (TypeError)          the model carries no proof that could be replayed
    ├── VerificationFailed   (RuntimeError)       the replay of the model's proof does not hold here
    ├── InvalidInput         (ValueError)         the rows or tensors given do not fit the model
    ├── UnknownDevice        (ValueError)         no device goes by that name
    ├── DeviceUnavailable    (RuntimeError)       the device exists, but cannot be used here
    ├── RuntimeNotInstalled  (ImportError)        ONNX Runtime is missing, or two of its packages clash
    └── InferenceFailed      (RuntimeError)       ONNX Runtime gave up while computing

Training and export add theirs below the same root. Each is also the built-in that fits it, so that code that knows
nothing of this package can catch it. A message says in one line what is wrong and, where it can, how to mend it.
"""


class EdgePredictError(Exception):
    """The root of all errors raised on purpose."""


class ModelNotFound(EdgePredictError, FileNotFoundError):
    """There is no file at the path given."""


class InvalidModel(EdgePredictError, ValueError):
    """The file is not an ONNX model, is damaged, or is one that this version cannot read."""


class NoSignature(EdgePredictError, TypeError):
    """The model does not say what its inputs and outputs mean; only `Predictor.run` can use it."""


class NoProbabilities(EdgePredictError, TypeError):
    """The model is a regression: it answers with a value, and has neither labels nor probabilities."""


class NoCertificate(EdgePredictError, TypeError):
    """The model carries no certificate, so there is nothing to verify it against."""


class VerificationFailed(EdgePredictError, RuntimeError):
    """The file is not as it was exported, or does not give torch's outputs here; the message says which."""


class InvalidInput(EdgePredictError, ValueError):
    """The rows or tensors given do not fit what the model takes."""


class UnknownDevice(EdgePredictError, ValueError):
    """No device goes by the name given."""


class DeviceUnavailable(EdgePredictError, RuntimeError):
    """The device asked for cannot be used on this machine; the message gives the reason."""


class RuntimeNotInstalled(EdgePredictError, ImportError):
    """ONNX Runtime is missing, cannot be loaded, or two of its packages overwrite each other."""


class InferenceFailed(EdgePredictError, RuntimeError):
    """ONNX Runtime accepted the inputs but could not compute the outputs."""


class CannotWrite(EdgePredictError, OSError):
    """A file cannot be written where it should go."""
