"""What tests of isolated processes share."""

import contextlib
import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """No descriptor and no child process is left by a test."""
    before = sorted(os.listdir("/dev/fd"))  # noqa: PTH208
    yield
    assert sorted(os.listdir("/dev/fd")) == before  # noqa: PTH208
    with contextlib.suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)
