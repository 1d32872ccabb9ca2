"""Work on the parts of a source, on several threads and in order.

One thread takes the parts, several work on them, and the caller's takes what comes of them. Only so many parts are
under way that memory stays bounded; a part is begun as it comes, and its result is there as soon as it is ready.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from edge_runtime.contract.errors import OutOfResources

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")

# So many parts are under way for each thread, besides one that is ready.
_AHEAD = 1


class _Feeder(Generic[_Part, _Result]):
    """Takes the parts, and hands each to a thread."""

    def __init__(self, parts: Iterable[_Part], work: Callable[[_Part], _Result], pool: ThreadPoolExecutor, most: int):
        self._parts, self._work, self._pool = parts, work, pool
        self._is_over = False
        self._free = threading.Semaphore(most)
        self.results: queue.SimpleQueue[Future[_Result] | BaseException | None] = queue.SimpleQueue()

    def feed(self) -> None:
        """Until there are no more parts, or nobody wants more."""
        try:
            parts = iter(self._parts)
            while self._may_go_on():
                part = next(parts, None)
                if part is None or self._is_over:
                    break
                self.results.put(self._pool.submit(self._work, part))
            self.results.put(None)
        except BaseException as error:
            self.results.put(error)

    def taken(self) -> None:
        """One result was taken."""
        self._free.release()

    def end(self) -> None:
        """Take no more parts."""
        self._is_over = True
        self._free.release()

    def _may_go_on(self) -> bool:
        self._free.acquire()
        return not self._is_over


def worked_on(parts: Iterable[_Part], work: Callable[[_Part], _Result], threads: int) -> Iterator[_Result]:
    """What `work` makes of each part, in the order of the parts.

    Args:
        parts: read by a thread of their own; not None.
        work: called from several threads at a time.
        threads: how many of them.

    Raises:
        BaseException: what reading a part, or `work`, raises, once the results before it were taken.
        OutOfResources: no thread can be started.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="edge-predict-score")
    feeder = _Feeder(parts, work, pool, 1 + threads * _AHEAD)
    # A daemon, since it may wait for a pipe for ever.
    reader = threading.Thread(target=feeder.feed, daemon=True, name="edge-predict-read")
    try:
        try:
            reader.start()
        except RuntimeError as error:
            raise OutOfResources("no thread can be started") from error
        while (found := feeder.results.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found.result()
            feeder.taken()
    finally:
        feeder.end()
        pool.shutdown(wait=True, cancel_futures=True)
