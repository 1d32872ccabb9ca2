"""Worker threads for the batches of large calls.

Nothing here waits for a lock that the same thread may hold: a signal handler may make a call in the middle of another
one, also while that one hands out its batches. `concurrent.futures` does not allow it.
"""

import _thread
import contextlib
import ctypes
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from edge_runtime.engine import forks
from edge_runtime.engine.processor_limits import available_processors


class Job:
    """Work that one thread does once.

    Attributes:
        problem: what the work raised, once it is done.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        """Work that no thread has begun."""
        self._work = work
        self._to_be_taken = [True]
        self._is_done = threading.Lock()
        self._is_done.acquire()
        self.problem: BaseException | None = None

    def cancel(self) -> bool:
        """Take the work away from all threads; False if one has begun it."""
        # `pop` is one step of the interpreter, so that one thread gets what there is.
        with contextlib.suppress(IndexError):
            return self._to_be_taken.pop()
        return False

    def run(self) -> None:
        """Do the work, unless it was taken away."""
        if not self.cancel():
            return
        try:
            self._work()
        except BaseException as problem:
            self.problem = problem
        finally:
            self._is_done.release()

    def wait(self) -> None:
        """Return once the work is done, after a thread has begun it."""
        with self._is_done:
            pass


class WorkerThreads:
    """Threads made when they are first needed, which sleep while there is nothing to do."""

    def __init__(self) -> None:
        """Begin without threads."""
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._starting = threading.Lock()
        self._count = 0
        self._ids: list[int] = []
        self._processors: set[int] = set()

    def submit(self, work: Callable[[], None], count: int) -> list[Job]:
        """Let `count` threads do `work`, each once; fewer if there are no more processors or threads."""
        if forks.is_stopped():
            return []
        self._start(min(count, max(1, available_processors() - 1)))
        self._keep_off_this_processor()
        jobs = [Job(work) for _ in range(min(count, self._count))]
        for job in jobs:
            self._jobs.put(job)
        return jobs

    def _start(self, count: int) -> None:
        # If a call that this one interrupts is at it, this one does with the threads that there are. `threading.Thread`
        # has locks of its own, which it may hold.
        if self._count >= count or not self._starting.acquire(blocking=False):
            return
        try:
            # At a limit of threads, or while the interpreter ends.
            with contextlib.suppress(RuntimeError):
                while self._count < count:
                    _thread.start_new_thread(self._take_jobs, ())
                    self._count += 1
        finally:
            self._starting.release()

    def _take_jobs(self) -> None:
        self._ids.append(threading.get_native_id())
        if self._processors:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self._processors)
        while True:
            job = self._jobs.get()
            job.run()
            # It holds the arrays of a call.
            del job

    def _keep_off_this_processor(self) -> None:
        """Move the threads to the processors on which the caller does not run.

        Linux wakes a thread on the waker's processor if it ran there last, and may let it wait there for milliseconds
        although others are idle.
        """
        if _current_processor is None or len(allowed := os.sched_getaffinity(0)) < 2:
            return
        elsewhere = allowed - {_current_processor()}
        if elsewhere != self._processors:
            self._processors = elsewhere
            for thread in self._ids:
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread, elsewhere)


def _find_current_processor() -> Callable[[], int] | None:
    """sched_getcpu(3), on systems that have it."""
    try:
        return ctypes.CDLL(None).sched_getcpu if hasattr(os, "sched_setaffinity") else None
    except (AttributeError, OSError, TypeError):
        return None


_current_processor = _find_current_processor()
