import pytest

from edge_runtime import DeadlineExceeded, InferenceFailed, InvalidInput, OutOfResources
from edge_runtime.serve.refusals import Refused, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused(413, "large"), 413),
        (InvalidInput("x"), 400),
        (InferenceFailed("y"), 500),
        (KeyError("z"), 500),
        (OutOfResources("memory"), 503),
        (MemoryError(), 503),
        (DeadlineExceeded("z"), 504),
        (RecursionError(), 400),
    ],
)
def test_statuses(error: Exception, status: int) -> None:
    assert status_of(error) == status
