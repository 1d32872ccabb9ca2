"""Many rows in blocks that fit the cache, over several threads where that pays.

ONNX Runtime lets go of the interpreter's lock while it computes, so that threads of Python's own run it side by side.
The caller's thread takes blocks too: where all helpers are busy with other calls, it does them all.
"""

import contextlib
import ctypes
import math
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_runtime.contract.workload import Workload
from edge_runtime.engine.processor_limits import available_processors

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

# What a block may read and write in one operator: half of a second-level cache of common size.
_CACHE = 512 * 1024
# What a thread's share must be, which takes 50 us to wake up and more on a busy machine, and a block's; in units of
# `Workload.cost`. docs/performance.md has the measurements.
_WORTH_A_THREAD = 500_000
_WORTH_A_BLOCK = 100_000


def divide(rows: int, workload: Workload, threads: int | None, work: Callable[[int, int], None]) -> None:
    """Call `work(start, stop)` for blocks until all of `rows` rows are done, on several threads where that pays.

    Args:
        rows: how many there are; they are independent.
        workload: what a row takes.
        threads: the most to use; None for one for each processor that there is.
        work: does the rows from `start` up to `stop`; called from several threads at a time.

    Raises:
        Exception: what `work` raises.
    """
    most = available_processors() if threads is None else threads
    wanted = max(1, min(most, int(rows * workload.cost / _WORTH_A_THREAD)))
    # Where ONNX Runtime has the threads, a block is for several.
    cache = _CACHE * (4 if threads == 1 else 1)
    # The more threads there are, the more of them wait for the interpreter between blocks.
    worth = _WORTH_A_BLOCK * max(1.0, wanted / 2)
    block = max(cache // workload.bytes, math.ceil(worth / workload.cost))
    # As many blocks for each thread, and all of a size.
    count = wanted * max(1, round(rows / block / wanted))
    block = math.ceil(rows / count)
    starts = iter(range(0, rows, block))

    def take_blocks() -> None:
        try:
            for start in starts:
                work(start, min(start + block, rows))
        except BaseException:
            for _ in starts:
                pass  # so that nobody goes on with what is left
            raise

    if wanted == 1:
        take_blocks()
        return
    helpers = _helpers.submit(take_blocks, wanted - 1)
    try:
        take_blocks()
    finally:
        # One that has not begun by now would find nothing left to do.
        begun = [helper for helper in helpers if not helper.cancel()]
        problems = [problem for helper in begun if (problem := helper.exception()) is not None]
    if problems:
        raise problems[0]


class _Helpers:
    """Threads that sleep where there is nothing to do, made when they are first needed."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._making = threading.Lock()
        self._threads: list[int] = []
        self._processors: set[int] = set()

    def submit(self, work: Callable[[], None], count: int) -> "list[Future[None]]":
        """Have up to `count` threads begin with `work`; fewer, or none, where the process may start no more."""
        begun: list[Future[None]] = []
        # At the end of the interpreter, at a limit of threads, after one that could not begin.
        with contextlib.suppress(RuntimeError):
            executor = self._made()
            self._move_from_here()
            while len(begun) < count:
                begun.append(executor.submit(work))
        return begun

    def _move_from_here(self) -> None:
        """Keep the helpers off the processor that this thread runs on.

        Linux wakes a thread up on the waker's processor if it was there last, and may leave it waiting there for
        milliseconds, the others being idle.
        """
        if _current_processor is None or len(allowed := os.sched_getaffinity(0)) < 2:
            return
        elsewhere = allowed - {_current_processor()}
        if elsewhere != self._processors:
            self._processors = elsewhere
            for thread in self._threads:
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread, elsewhere)

    def _begin(self) -> None:
        self._threads.append(threading.get_native_id())
        if self._processors:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self._processors)

    def _made(self) -> "ThreadPoolExecutor":
        with self._making:
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                self._executor = ThreadPoolExecutor(
                    max(1, available_processors() - 1),
                    "edge_runtime",
                    initializer=self._begin,
                )
            return self._executor


def _forget_helpers() -> None:
    """A forked process has none of its parent's threads."""
    global _helpers
    _helpers = _Helpers()


def _find_current_processor() -> Callable[[], int] | None:
    """sched_getcpu(3), where there is one."""
    try:
        return ctypes.CDLL(None).sched_getcpu if hasattr(os, "sched_setaffinity") else None
    except (AttributeError, OSError, TypeError):
        return None


_helpers = _Helpers()
_current_processor = _find_current_processor()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
