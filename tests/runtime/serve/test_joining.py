import asyncio
import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from concurrency import HANG

from edge_runtime import InvalidInput
from edge_runtime.serve import ServeLimits, joining
from edge_runtime.serve.joining import Calls, Pace
from edge_runtime.serve.refusals import Refused


@pytest.fixture(autouse=True)
def quick_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call takes a microsecond, however busy the machine is."""
    monkeypatch.setattr(joining, "time", SimpleNamespace(perf_counter=itertools.count(0, 1e-6).__next__))


class Model:
    """Doubles x, in calls that last until `go` is set; it refuses rows with a NaN."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.threads: set[int] = set()
        self.go, self.begun = threading.Event(), threading.Event()

    def __call__(self, feed: Any, names: tuple[str, ...]) -> Sequence[Any]:
        self.calls.append(len(feed["x"]))
        self.threads.add(threading.get_ident())
        self.begun.set()
        assert self.go.wait(HANG)
        if np.isnan(feed["x"]).any():
            raise InvalidInput("NaN")
        return [2 * feed["x"], *(feed["x"][:, :1] for _ in names)]


def feed(start: int, rows: int = 1, columns: int = 2) -> dict[str, Any]:
    return {"x": np.arange(start, start + rows * columns, dtype=np.float64).reshape(rows, columns)}


def served(model: Model, limits: ServeLimits | None = None, has_independent_rows: bool = True) -> Calls:
    return Calls(model, lambda given: given, ThreadPoolExecutor(4), limits or ServeLimits(), has_independent_rows)


async def begun(model: Model) -> None:
    assert await asyncio.to_thread(model.begun.wait, HANG)


async def while_busy(model: Model, calls: Calls, feeds: list[dict[str, Any]], first: dict[str, Any]) -> list[Any]:
    """The results for `feeds`, which arrive while the model computes `first`."""
    busy = asyncio.create_task(calls.outputs(first))
    await begun(model)
    waiting = [asyncio.create_task(calls.outputs(one)) for one in feeds]
    await asyncio.sleep(0)
    assert calls.waiting == 1 + len(feeds)
    model.go.set()
    await busy
    return list(await asyncio.gather(*waiting, return_exceptions=True))


def test_rows_that_wait_are_joined_and_every_caller_gets_its_own() -> None:
    model = Model()
    calls = served(model)
    feeds = [feed(10 * i, rows=i) for i in range(1, 5)]
    results = asyncio.run(while_busy(model, calls, feeds, feed(0, rows=8)))
    assert model.calls == [8, 10]
    for one, (doubled,) in zip(feeds, results, strict=True):
        assert np.array_equal(doubled, 2 * one["x"])
    assert calls.waiting == 0


def test_rows_that_depend_on_each_other_are_not_joined() -> None:
    model = Model()
    results = asyncio.run(
        while_busy(model, served(model, has_independent_rows=False), [feed(1), feed(2)], feed(0, rows=8))
    )
    assert sorted(model.calls) == [1, 1, 8]
    assert [result[0][0, 0] for result in results] == [2, 4]


def test_only_rows_of_one_shape_are_joined() -> None:
    model = Model()
    feeds = [feed(1), feed(2, columns=3), feed(3), feed(4, columns=3)]
    results = asyncio.run(while_busy(model, served(model), feeds, feed(0, rows=8)))
    assert model.calls == [8, 2, 2]
    assert [result[0].shape for result in results] == [(1, 2), (1, 3), (1, 2), (1, 3)]


def test_a_request_that_fails_does_not_spoil_those_that_it_was_joined_with() -> None:
    model = Model()
    bad = {"x": np.full((1, 2), np.nan)}
    results = asyncio.run(while_busy(model, served(model), [feed(1), bad, feed(2)], feed(0, rows=8)))
    assert isinstance(results[1], InvalidInput)
    assert [results[i][0][0, 0] for i in (0, 2)] == [2, 4]


@pytest.mark.parametrize(("seconds", "found"), [(0.04, [2]), (0.06, [1, 1])])
def test_rows_wait_for_others_as_long_as_is_allowed(
    monkeypatch: pytest.MonkeyPatch, seconds: float, found: list[int]
) -> None:
    model = Model()
    model.go.set()
    calls = served(model, ServeLimits(delay=0.05))
    calls._pace.took(8, 1)  # so that sizes up to twice as large may be tried

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: now)
        first = asyncio.create_task(calls.outputs(feed(1)))
        await asyncio.sleep(0)
        now += seconds
        for _ in range(9):
            await asyncio.sleep(0)
        second = asyncio.create_task(calls.outputs(feed(2)))
        await asyncio.sleep(0)
        now += 1
        await asyncio.gather(first, second)

    asyncio.run(ask())
    assert model.calls == found


def test_too_many_that_wait_are_told_to_come_again() -> None:
    model = Model()
    calls = served(model, ServeLimits(waiting=2))

    async def ask() -> None:
        tasks = [asyncio.create_task(calls.outputs(feed(i))) for i in range(2)]
        await begun(model)
        with pytest.raises(Refused, match="2 requests wait already") as refused:
            await calls.outputs(feed(3))
        assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})
        model.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(ask())


@pytest.mark.parametrize("independent", [True, False])
def test_what_takes_too_long(independent: bool) -> None:
    model = Model()
    calls = served(model, ServeLimits(seconds=0.05), independent)

    async def ask() -> None:
        tasks = [asyncio.create_task(calls.outputs(feed(i))) for i in range(6)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(result, "status", None) for result in results] == [504] * 6
        assert calls.waiting == 0
        model.go.set()

    asyncio.run(ask())
    calls._threads.shutdown()
    # Nobody waits for those that had not begun.
    assert len(model.calls) <= 4


def test_quick_calls_are_made_without_threads() -> None:
    model = Model()
    model.go.set()
    calls = served(model)
    calls._pace.took(2, 1e-6)

    assert asyncio.run(calls.outputs(feed(1)))[0].tolist() == [[2, 4]]
    assert model.threads == {threading.get_ident()}


def is_at_once(calls: Calls) -> bool:
    """Whether a caller gets its answer before anything else happens."""
    asking = calls.outputs(feed(1))
    try:
        asking.send(None)
    except StopIteration:
        return True
    asking.close()
    return False


def test_quick_calls_of_one_caller_are_made_at_once_and_those_of_many_are_joined() -> None:
    model = Model()
    model.go.set()
    calls = served(model, ServeLimits(delay=HANG))
    for size in (2, 16):
        calls._pace.took(size, 1e-6)

    async def ask() -> None:
        for _ in range(2):
            await calls.outputs(feed(1))
        assert 50 < sum(1 for _ in itertools.takewhile(lambda _: is_at_once(calls), range(500))) < 200
        model.calls.clear()
        # The first of many may still be taken for the only one.
        for _ in range(20):
            await asyncio.gather(*(calls.outputs(feed(i)) for i in range(8)))
        assert model.calls.count(8) > 5
        assert model.calls[-1] == 8
        for _ in range(3):
            await calls.outputs(feed(1))
        assert is_at_once(calls)

    asyncio.run(ask())


def test_pace() -> None:
    pace = Pace()
    assert pace.seconds(3) is None
    assert not pace.joins(2, 1)
    pace.took(2, 2e-3)
    assert pace.seconds(2) == pytest.approx(2e-3)
    # A larger call is tried once, and then compared with two.
    assert pace.joins(2, 2)
    assert not pace.joins(2, 3)
    pace.took(4, 3e-3)
    assert pace.joins(2, 2)
    for _ in range(40):
        pace.took(4, 5e-3)
    assert not pace.joins(2, 2)
    # But not for ever.
    assert any(pace.joins(2, 2) for _ in range(100))


def test_calls_that_were_slow_once_are_known_to_be_quick_by_larger_ones() -> None:
    pace = Pace()
    pace.took(2, 0.5)
    pace.took(64, 20e-6)
    pace.bounds_smaller(64)
    seconds = pace.seconds(2)
    assert seconds is not None
    assert seconds <= 20e-6
    assert pace.seconds(64) == pytest.approx(20e-6)


def test_callers_that_are_always_joined_do_not_wait_for_ever() -> None:
    """The first call of a model is slow. If its time stood, every later one would be made to wait for others."""
    model = Model()
    model.go.set()
    calls = served(model)
    calls._pace.took(2, 0.01)
    calls._pace.took(16, 1e-5)

    async def together() -> None:
        await asyncio.gather(*(calls.outputs(feed(i)) for i in range(8)))

    asyncio.run(together())
    assert model.calls == [8]
    seconds = calls._pace.seconds(2)
    assert seconds is not None
    assert seconds < 1e-4


def test_one_slow_spell_does_not_count_for_much() -> None:
    pace = Pace()
    pace.took(8, 1e-3)
    pace.took(8, 1)
    assert pace.seconds(8) == pytest.approx(1.6e-3)


def test_a_joined_call_does_not_take_long() -> None:
    pace = Pace()
    pace.took(64, 0.04)
    pace.took(128, 0.06)
    assert not pace.joins(64, 64)
