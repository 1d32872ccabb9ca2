"""Small exports in the fast tests."""

from collections.abc import Iterator

import pytest
import torch
from quick_exports import one_registry, probes_for


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    torch.set_num_threads(1)
    with one_registry():
        yield


@pytest.fixture(autouse=True)
def probes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Few probe inputs, except in slow tests."""
    with probes_for(request):
        yield
