"""Why a request is not answered, and the status code that says so."""

from collections.abc import Mapping

from edge_runtime.contract.errors import DeadlineExceeded, EdgePredictError, InferenceFailed


class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: the HTTP status code.
        headers: more headers of the response.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: Exception) -> int:
    """The status code for what was raised while a request was answered."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, MemoryError):
        return 503
    if isinstance(error, DeadlineExceeded):
        return 504
    if isinstance(error, RecursionError):
        return 400
    return 400 if isinstance(error, EdgePredictError) and not isinstance(error, InferenceFailed) else 500
