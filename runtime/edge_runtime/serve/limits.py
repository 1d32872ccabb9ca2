"""How much one request may ask of the server, and how many may wait."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServeLimits:
    """What a server refuses.

    Attributes:
        body: the most bytes of a request's body, also when they are decompressed.
        seconds: the most time for reading a request, for computing its answer, and for sending it.
        waiting: how many requests may wait for a model. Those beyond are told to come again.
        delay: seconds that rows may wait for those of other callers, if joining them is faster. With 0 they wait only
            while the model computes anyway.
        rows: the most rows of a request to `/models/NAME/predict`.
    """

    body: int = 64 * 1024 * 1024
    seconds: float = 30.0
    waiting: int = 1024
    delay: float = 0.0
    rows: int = 100_000
