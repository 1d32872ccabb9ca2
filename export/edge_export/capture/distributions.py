"""Distributions, such as torch.distributions.Normal, which look at the values of their parameters by default."""

import contextlib
from collections.abc import Iterator

from torch.distributions import Distribution


@contextlib.contextmanager
def without_validation() -> Iterator[None]:
    """In here distributions take any parameters: torch.export cannot capture a check that branches on values."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)
