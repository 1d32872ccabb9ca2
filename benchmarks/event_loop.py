"""Calls from coroutines: made at once, or in a thread as asyncio.to_thread makes them.

    .venv/bin/python -m benchmarks.event_loop

For each number of rows the time of one awaited call, the calls a second of 64 coroutines, and the longest time for
which the event loop did not get to anything else.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from benchmarks.models import EXAMPLE, prepared
from edge_runtime import Predictor

COROUTINES, REPEATS = 64, 5
# Rows in a call, and how many calls are timed.
SIZES = {1: 2000, 64: 2000, 4096: 500, 1_000_000: 10}

Way = Callable[[Any, Any], Awaitable[Any]]


async def at_once(call: Any, rows: Any) -> Any:
    """Make the call in the coroutine itself, as if it were a function."""
    return call(rows)


WAYS: dict[str, Way] = {"at once": at_once, "asyncio.to_thread": asyncio.to_thread}


async def seconds(way: Way, call: Any, rows: Any, count: int) -> float:
    """The median time of one call."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await way(call, rows)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def rate(way: Way, call: Any, rows: Any, count: int) -> float:
    """Calls a second of many coroutines at a time."""

    async def repeat() -> None:
        for _ in range(max(1, count // COROUTINES)):
            await way(call, rows)

    start = time.perf_counter()
    await asyncio.gather(*[repeat() for _ in range(COROUTINES)])
    return max(1, count // COROUTINES) * COROUTINES / (time.perf_counter() - start)


async def held(way: Way, call: Any, rows: Any, count: int) -> float:
    """The median over some calls of the longest time between two turns of the event loop, in seconds."""
    longest = []
    for _ in range(min(count, 20)):
        task, last, worst = asyncio.ensure_future(way(call, rows)), time.perf_counter(), 0.0
        while not task.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            last, worst = now, max(worst, now - last)
        longest.append(worst)
    return statistics.median(longest)


async def main() -> None:
    """Measure and print."""
    predictor = Predictor(next(model for model in prepared() if model.name == EXAMPLE).onnx, device="cpu")
    for size, count in SIZES.items():
        rows: Any = np.random.default_rng(0).normal(size=(size, 2)).astype(np.float32)
        call, rows = (predictor.predict_one, rows[0].tolist()) if size == 1 else (predictor.predict, rows)
        for name, way in WAYS.items():
            found = [
                statistics.median([await measure(way, call, rows, count) for _ in range(REPEATS)])
                for measure in (seconds, rate, held)
            ]
            print(
                f"{size:>9,} rows  {name:<18}{found[0] * 1e6:9.1f} us  {found[1]:9,.0f} calls/s  "
                f"loop held {found[2] * 1e3:7.2f} ms"
            )


if __name__ == "__main__":
    asyncio.run(main())
