"""Results that are kept for inputs that come again."""

from collections.abc import Callable

import numpy as np
import pytest

from edge_export import recent_results
from edge_export.recent_results import RecentResults
from edge_export.tensors import Tensors


@pytest.fixture
def calls() -> list[Tensors]:
    return []


@pytest.fixture
def double(calls: list[Tensors]) -> Callable[[Tensors], Tensors]:
    def compute(tensors: Tensors) -> Tensors:
        calls.append(tensors)
        return {"y": tensors["x"] * 2}

    return compute


def test_the_same_content_is_computed_once(calls: list[Tensors], double: Callable[[Tensors], Tensors]) -> None:
    results = RecentResults()
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = results.of({"x": x}, double)
    assert results.of({"x": x.copy()}, double) is first
    assert results.of({"x": np.asfortranarray(x)}, double) is first
    assert len(calls) == 1
    # Another type, shape, name or sign of zero is other content.
    for tensors in ({"x": x.astype(np.float64)}, {"x": x.reshape(3, 2)}, {"x": x, "z": x}, {"x": -x}, {"x": -0.0 * x}):
        results.of(tensors, double)
    results.of({"x": 0 * x}, double)
    assert len(calls) == 7
    with pytest.raises(ValueError, match="read-only"):
        first["y"][0] = 1


def test_what_is_changed_in_place_is_computed_anew(calls: list[Tensors], double: Callable[[Tensors], Tensors]) -> None:
    results = RecentResults()
    x = np.zeros(3)
    results.of({"x": x}, double)
    x[0] = 1
    assert results.of({"x": x}, double)["y"].tolist() == [2, 0, 0]


def test_the_oldest_are_dropped(
    calls: list[Tensors], double: Callable[[Tensors], Tensors], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_results, "_MOST", 100)
    results = RecentResults()
    first, second, third = ({"x": np.full(5, float(value))} for value in range(3))
    for tensors in (first, second, first, third, first):
        results.of(tensors, double)
    assert len(calls) == 3
    results.of(second, double)
    assert len(calls) == 4
    # What is larger than all that is kept is computed each time, and drops the rest.
    large = {"x": np.zeros(20)}
    for tensors in (large, large, second):
        results.of(tensors, double)
    assert len(calls) == 7


def test_what_is_raised_is_not_kept() -> None:
    results = RecentResults()

    def fail(tensors: Tensors) -> Tensors:
        raise KeyError("once")

    with pytest.raises(KeyError):
        results.of({"x": np.zeros(1)}, fail)
    assert results.of({"x": np.zeros(1)}, dict)["x"].tolist() == [0]
