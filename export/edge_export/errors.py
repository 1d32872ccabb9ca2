"""What can go wrong in an export, below the project's one root of errors."""

from edge_runtime.errors import EdgePredictError


class ExportError(EdgePredictError, RuntimeError):
    """The exporter could not make the file, or made one that is not as it should be."""


class ParityError(EdgePredictError, AssertionError):
    """The exported model does not compute what torch computes; the message gives the worst row and both values."""
