"""What can go wrong in an export, below the project's one root of errors; `ParityError` is in `verify.comparison`."""

from edge_runtime.contract.errors import EdgePredictError


class ExportError(EdgePredictError, RuntimeError):
    """The exporter could not make the file, or made one that is not as it should be."""


class BudgetExceeded(ExportError):
    """A lower precision costs more than its budget; the message says which limit, and how to fix it."""
