"""Many rows in blocks that fit the cache, over several threads where that pays.

ONNX Runtime lets go of the interpreter's lock while it computes, so that threads of Python's own run it side by side.
The caller's thread takes blocks too: where all helpers are busy with other calls, it does them all.
"""

import math
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_runtime.processors import available_processors
from edge_runtime.workload import Workload

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# What a block may read and write in one operator: half of a second-level cache of common size.
_CACHE = 512 * 1024
# What is worth a block of its own, and what is worth another thread, which takes tens of microseconds to wake up; in
# units of `Workload.cost`. docs/performance.md has the measurements.
_WORTH_A_BLOCK = 100_000
_WORTH_A_THREAD = 150_000


def divide(rows: int, workload: Workload | None, threads: int | None, work: Callable[[int, int], None]) -> None:
    """Call `work(start, stop)` until all of `rows` rows are done: once, or for blocks and on several threads.

    Args:
        rows: how many there are.
        workload: what a row takes; None if it is not known, and then nothing is divided.
        threads: the most to use; None for one for each processor that there is.
        work: does the rows from `start` up to `stop`; called from several threads at a time.

    Raises:
        Exception: what `work` raises.
    """
    if workload is None or not workload.independent or rows * workload.cost < 2 * _WORTH_A_BLOCK:
        work(0, rows)
        return
    most = available_processors() if threads is None else threads
    wanted = max(1, min(most, int(rows * workload.cost / _WORTH_A_THREAD)))
    block = max(_CACHE // workload.bytes, math.ceil(_WORTH_A_BLOCK / workload.cost), 1)
    # As many blocks for each thread, and all of a size.
    count = wanted * max(1, round(rows / block / wanted))
    block = math.ceil(rows / count)
    starts = iter(range(0, rows, block))

    def take_blocks() -> None:
        for start in starts:
            work(start, min(start + block, rows))

    if wanted == 1:
        take_blocks()
        return
    helpers = [_pool().submit(take_blocks) for _ in range(wanted - 1)]
    try:
        take_blocks()
    finally:
        # One that has not begun by now would find nothing left to do.
        begun = [helper for helper in helpers if not helper.cancel()]
        problems = [problem for helper in begun if (problem := helper.exception()) is not None]
    if problems:
        raise problems[0]


_executor: "ThreadPoolExecutor | None" = None
_making = threading.Lock()


def _pool() -> "ThreadPoolExecutor":
    """The helpers of the process; they sleep where there is nothing to do."""
    global _executor
    with _making:
        if _executor is None:
            from concurrent.futures import ThreadPoolExecutor

            _executor = ThreadPoolExecutor(max(1, available_processors() - 1), "edge_runtime")
        return _executor


def _forget_pool() -> None:
    """A forked process has none of its parent's threads."""
    global _executor, _making
    _executor, _making = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
