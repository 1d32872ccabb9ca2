"""Small exports for all tests of the exporter, and artifacts that many of them look at."""

from collections.abc import Iterator

import pytest
from quick_exports import few_probes, few_timed_calls, one_registry


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    with one_registry(), few_timed_calls():
        yield


@pytest.fixture(autouse=True)
def probes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Few probe inputs, except in slow tests; tests of the verification have all of them."""
    if request.node.get_closest_marker("slow"):
        yield
    else:
        with few_probes():
            yield
