"""Every error that edge-predict raises on purpose.

    EdgePredictError
    ├── ModelNotFound        (FileNotFoundError)  the model file does not exist
    ├── InvalidModel         (ValueError)         the file is not a model, is damaged, or is too new for this version
    ├── ContentMismatch      (ValueError)         the model is not the one that was asked for, pickled or opened before
    ├── NoSignature          (TypeError, *)       the model does not say what its outputs mean
    ├── NoProbabilities      (TypeError, *)       the model predicts a value, not a label
    ├── NoFeatures           (TypeError, *)       the model takes tensors, not rows of named features
    ├── NoIntervals          (TypeError)          the model has no intervals, or no prediction sets
    ├── NoBaseline           (TypeError)          the model does not say which values are typical, to explain by them
    ├── NoCertificate        (TypeError)          the model has no certificate to verify it against
    ├── CannotFit            (TypeError)          the model is fitted, and stays as it is
    ├── VerificationFailed   (RuntimeError)       the model was changed, or its outputs are beyond their tolerance
    ├── NotTrusted           (ValueError)         the model does not have the signature of a trusted key:
    │   ├── NotSigned        (*)                  it has none
    │   ├── UnknownSigner    (*)                  it has that of another key
    │   └── ModelAltered     (*)                  the model, or its signature, is not as it was signed
    ├── InvalidInput         (ValueError)         the rows or tensors do not fit the model
    ├── UnknownDevice        (ValueError)         no device has this name
    ├── DeviceUnavailable    (RuntimeError)       the device exists, but cannot be used here
    ├── RuntimeNotInstalled  (ImportError)        ONNX Runtime is missing, or two of its packages clash
    ├── ExtraNotInstalled    (ImportError)        what was asked for needs an extra of edge-predict
    ├── InferenceFailed      (RuntimeError)       ONNX Runtime failed while it computed, or gave what cannot be answers
    │   ├── DeadlineExceeded (TimeoutError)       a call took longer than its limit
    │   └── IsolationFailed                       the process of an isolated model crashed, or took more than it may
    ├── OutOfResources       (MemoryError)        memory, threads or open files have run out, for now
    ├── PredictorClosed      (ValueError)         the predictor was closed
    └── CannotWrite          (OSError)            a file cannot be written

    * Also AttributeError: `hasattr(predictor, "classes_")` is false for what a model does not have.

Training and export add their own below the same root. Each error is also the built-in that fits it, so that code can
catch it without this package. A message says in one line what is wrong and, if possible, how to fix it.
"""

# No message of ours has as many characters, unless a model or a file has such long names.
_LONGEST = 10_000


class EdgePredictError(Exception):
    """The root of all errors raised on purpose."""

    def __str__(self) -> str:
        """The message in one line of bounded length; what is not printable in it, as in names of models, is escaped."""
        message = super().__str__()
        if len(message) <= _LONGEST and message.isprintable():
            return message
        # Few messages need it, and most programs none.
        from edge_runtime.contract.terminal import printable, shortened

        message = printable(message)
        return message if len(message) <= _LONGEST else shortened(message)


class ModelNotFound(EdgePredictError, FileNotFoundError):
    """The model file does not exist."""


class InvalidModel(EdgePredictError, ValueError):
    """The file is not an ONNX model, is damaged, or is newer than this version reads."""


class ContentMismatch(EdgePredictError, ValueError):
    """The model is not the one that was asked for by its SHA-256, that was pickled, or that was opened before."""


class NoSignature(EdgePredictError, TypeError, AttributeError):
    """The model does not say what its inputs and outputs mean; only `Predictor.run` can use it."""


class NoProbabilities(EdgePredictError, TypeError, AttributeError):
    """The model is a regression: it predicts a value, and has neither labels nor probabilities."""


class NoFeatures(EdgePredictError, TypeError, AttributeError):
    """The model takes tensors such as images, and its inputs have no named features."""


class NoIntervals(EdgePredictError, TypeError):
    """The model carries nothing that intervals and prediction sets are made of, or has the other kind of them."""


class NoBaseline(EdgePredictError, TypeError):
    """The model does not say which values of its features are typical, so no answer can be explained by them."""


class NoCertificate(EdgePredictError, TypeError):
    """The model has no certificate, so it cannot be verified."""


class CannotFit(EdgePredictError, TypeError):
    """A predictor is fitted already, and cannot be fitted again."""


class VerificationFailed(EdgePredictError, RuntimeError):
    """The file was changed since its export, or an output is beyond its tolerance here; the message says which."""


class NotTrusted(EdgePredictError, ValueError):
    """The model does not have the signature of a trusted key; each of its kinds is a class of its own."""


class NotSigned(NotTrusted):
    """The model, or its data file, was not signed."""


class UnknownSigner(NotTrusted):
    """The model was signed with a key that is not trusted."""


class ModelAltered(NotTrusted):
    """The model, its data file, or its signature file is not as it was when it was signed."""


class InvalidInput(EdgePredictError, ValueError):
    """The rows or tensors do not fit what the model takes."""


class UnknownDevice(EdgePredictError, ValueError):
    """No device has this name."""


class DeviceUnavailable(EdgePredictError, RuntimeError):
    """The requested device cannot be used on this machine; the message says why."""


class RuntimeNotInstalled(EdgePredictError, ImportError):
    """ONNX Runtime is missing, cannot be loaded, or two of its packages overwrite each other."""


class ExtraNotInstalled(EdgePredictError, ImportError):
    """A package is missing that an extra of edge-predict installs; the message names the extra."""


class InferenceFailed(EdgePredictError, RuntimeError):
    """ONNX Runtime accepted the inputs, but could not compute the outputs, or not such as the model declares."""


class DeadlineExceeded(InferenceFailed, TimeoutError):
    """A call took longer than `Limits.call_seconds`, and was ended. The model can be used as before."""


class IsolationFailed(InferenceFailed):
    """The process of an isolated model crashed, took too much time or memory, or cannot be started."""


class OutOfResources(EdgePredictError, MemoryError):
    """Memory, threads or open files have run out. Nothing is wrong with the model or the rows: it may work later."""


class PredictorClosed(EdgePredictError, ValueError):
    """The predictor was closed, and does not answer any more."""


class CannotWrite(EdgePredictError, OSError):
    """A file cannot be written; the message names it and says why."""
