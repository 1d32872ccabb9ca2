"""Calls that end at a deadline: one thread of the process tells ONNX Runtime to end those that are late.

ONNX Runtime looks at that between two nodes, and between the rounds of a loop: a node that has begun ends by itself.

Nobody waits for a lock here: a signal handler may make a call in the middle of another one.
"""

import _thread
import contextlib
import math
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from edge_runtime.contract.errors import DeadlineExceeded, InferenceFailed
from edge_runtime.contract.limits import how_to_raise
from edge_runtime.contract.terminal import counted
from edge_runtime.engine import forks

Result = TypeVar("Result")


class Deadline:
    """When a call has to end, whatever parts it has.

    Attributes:
        at: the time, of `time.monotonic`.
    """

    __slots__ = ("_seconds", "at")

    def __init__(self, seconds: float) -> None:
        """In so many seconds from now."""
        self._seconds = seconds
        self.at = time.monotonic() + seconds

    def exceeded(self) -> DeadlineExceeded:
        """The error for a call that is late."""
        late = f"the model was still computing after {counted(self._seconds, 'second')}"
        return DeadlineExceeded(f"{late}{how_to_raise('call_seconds')}")


class _Watch:
    """The calls under way, and the thread that ends them.

    Attributes:
        calls: when each has to end, and its onnxruntime.RunOptions.
        wakes_at: when the thread looks at them next.
    """

    def __init__(self) -> None:
        self.calls: dict[int, tuple[float, Any]] = {}
        self.wakes_at = math.inf
        self._wake_up: SimpleQueue[None] = SimpleQueue()
        self._is_running = False

    def wake(self) -> None:
        """Let the thread look at the calls now."""
        if not self._is_running:
            self._is_running = True
            try:
                _thread.start_new_thread(self._look, ())
            except RuntimeError as error:
                self._is_running = False
                raise InferenceFailed(f"a call with a deadline needs one more thread: {error}") from error
        self._wake_up.put(None)

    def _look(self) -> None:
        while True:
            # What begins from here on wakes this thread, or is seen.
            self.wakes_at = math.inf
            now, earliest = time.monotonic(), math.inf
            for at, options in self.calls.copy().values():
                if at <= now:
                    options.terminate = True
                else:
                    earliest = min(at, earliest)
            self.wakes_at = earliest
            with contextlib.suppress(Empty):
                self._wake_up.get(timeout=None if earliest == math.inf else earliest - now)


def ended_at(deadline: Deadline, call: Callable[[Any], Result], options: Any) -> Result:
    """`call(options)`, ended at the deadline.

    Args:
        deadline: when it has to end.
        call: computes with the onnxruntime.RunOptions that it is given.
        options: these, for this call alone.

    Raises:
        DeadlineExceeded: it was ended.
        InferenceFailed: there cannot be a thread that would end it.
        Exception: what `call` raises.
    """
    watch, key = _watch, id(options)
    watch.calls[key] = (deadline.at, options)
    try:
        if deadline.at < watch.wakes_at:
            watch.wake()
        if time.monotonic() > deadline.at:
            raise deadline.exceeded()
        return call(options)
    except Exception as error:
        if options.terminate:
            raise deadline.exceeded() from error
        raise
    finally:
        watch.calls.pop(key, None)


def _begin_anew(may_be_locked: bool) -> None:
    """A forked process does not have its parent's threads."""
    global _watch
    _watch = _Watch()


_watch = _Watch()
forks.after_fork(_begin_anew)
