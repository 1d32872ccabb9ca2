"""Parts that are worked on by several threads, in order."""

import itertools
import time
from collections.abc import Iterator

import pytest

from edge_runtime.scoring.pipeline import worked_on


def test_results_come_in_the_order_of_the_parts() -> None:
    def work(part: int) -> int:
        time.sleep(0.002 * (part % 3))
        return part * part

    assert list(worked_on(range(50), work, 3)) == [part * part for part in range(50)]


def test_few_parts_are_under_way() -> None:
    taken = itertools.count()
    found = worked_on((next(taken) for _ in range(10_000)), lambda part: part, 2)
    assert next(found) == 0
    time.sleep(0.1)
    assert next(taken) < 10
    del found


def test_an_error_comes_after_the_results_before_it() -> None:
    def parts() -> Iterator[int]:
        yield from (1, 2)
        raise OSError("the disk")

    found = worked_on(parts(), lambda part: part, 2)
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(OSError, match="the disk"):
        next(found)

    def work(part: int) -> float:
        return 1 / part

    found_too = worked_on([1, 2, 0, 4], work, 2)
    assert [next(found_too), next(found_too)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(found_too)
