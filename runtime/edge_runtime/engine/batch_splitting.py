"""Large calls, split into batches that fit the cache, on several threads if that pays.

ONNX Runtime releases the interpreter's lock while it computes, so that Python's own threads run it side by side. The
caller's thread takes batches too: if all worker threads are busy with other calls, it computes all of them.
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

# The bytes that a batch may read and write in one operator: half of a second-level cache of common size.
_CACHE = 512 * 1024
# The work that is worth a thread, which takes 50 us to wake up and more on a busy machine, and the work that is worth a
# batch, in units of `Workload.cost`. docs/performance.md has the measurements.
_WORTH_A_THREAD = 500_000
_WORTH_A_BATCH = 100_000


def run_in_batches(rows: int, workload: Workload, threads: int | None, work: Callable[[int, int], None]) -> None:
    """Call `work(start, stop)` for batches until all rows are done, on several threads if that pays.

    Args:
        rows: how many rows there are, one at least; they are independent.
        workload: the work for one row.
        threads: the most threads to use; None for one per processor of this process.
        work: computes the rows from `start` up to `stop`; called from several threads at a time.

    Raises:
        BaseException: the first one that `work` raises; no further batch begins after it.
    """
    most = available_processors() if threads is None else threads
    wanted = max(1, min(most, int(rows * workload.cost / _WORTH_A_THREAD)))
    # On one thread of ours, all of ONNX Runtime's threads compute a batch together.
    cache = _CACHE * (4 if threads == 1 else 1)
    # The more threads there are, the longer they wait for the interpreter between batches.
    worth = _WORTH_A_BATCH * max(1.0, wanted / 2)
    size = max(cache // workload.bytes, math.ceil(worth / workload.cost))
    # The same number of batches for each thread, and all of one size.
    count = wanted * max(1, round(rows / size / wanted))
    size = math.ceil(rows / count)
    starts = iter(range(0, rows, size))

    def take_batches() -> None:
        try:
            for start in starts:
                work(start, min(start + size, rows))
        except BaseException:
            for _ in starts:
                pass  # so that the other threads find nothing left to do
            raise

    if wanted == 1:
        take_batches()
        return
    calls = _pool.submit(take_batches, wanted - 1)
    try:
        take_batches()
    finally:
        # A call that has not begun by now would find nothing left to do.
        begun = [call for call in calls if not call.cancel()]
        problems = [problem for call in begun if (problem := call.exception()) is not None]
    if problems:
        raise problems[0]


class _ThreadPool:
    """Worker threads, made when they are first needed, which sleep while there is nothing to do."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._making = threading.Lock()
        self._threads: list[int] = []
        self._processors: set[int] = set()

    def submit(self, work: Callable[[], None], count: int) -> "list[Future[None]]":
        """Begin `work` on `count` threads, or on fewer if the process may not start more."""
        begun: list[Future[None]] = []
        # While the interpreter ends, at a limit of threads, or after a thread could not begin.
        with contextlib.suppress(RuntimeError):
            executor = self._made()
            self._keep_off_this_processor()
            while len(begun) < count:
                begun.append(executor.submit(work))
        return begun

    def _keep_off_this_processor(self) -> None:
        """Move the worker threads to the processors on which the caller does not run.

        Linux wakes a thread on the waker's processor if it ran there last, and may let it wait there for milliseconds
        although others are idle.
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


def _forget_pool() -> None:
    """A forked process does not have its parent's threads."""
    global _pool
    _pool = _ThreadPool()


def _find_current_processor() -> Callable[[], int] | None:
    """sched_getcpu(3), on systems that have it."""
    try:
        return ctypes.CDLL(None).sched_getcpu if hasattr(os, "sched_setaffinity") else None
    except (AttributeError, OSError, TypeError):
        return None


_pool = _ThreadPool()
_current_processor = _find_current_processor()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
