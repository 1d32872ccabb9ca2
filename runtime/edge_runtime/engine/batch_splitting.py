"""Large calls, split into batches that fit the cache, on several threads if that pays.

ONNX Runtime releases the interpreter's lock while it computes, so that Python's own threads run it side by side. The
caller's thread takes batches too: if all worker threads are busy with other calls, it computes all of them.
"""

import math
from collections.abc import Callable

from edge_runtime.contract.workload import Workload
from edge_runtime.engine import forks
from edge_runtime.engine.processor_limits import available_processors
from edge_runtime.engine.worker_threads import WorkerThreads

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
    jobs = _threads.submit(take_batches, wanted - 1)
    try:
        take_batches()
    finally:
        # A job that has not begun by now would find nothing left to do.
        begun = [job for job in jobs if not job.cancel()]
        for job in begun:
            job.wait()
        problems = [job.problem for job in begun if job.problem is not None]
    if problems:
        raise problems[0]


def _forget_threads(may_be_locked: bool) -> None:
    """A forked process does not have its parent's threads."""
    global _threads
    _threads = WorkerThreads()


_threads = WorkerThreads()
forks.after_fork(_forget_threads)
