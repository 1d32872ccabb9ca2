"""Calls of a model for many requests at a time: on the event loop, on worker threads, or several in one.

Where a call is made follows from what such calls have taken so far. Quick ones of a caller who is alone are made at
once, since to wait and to be woken up takes longer. Rows that come at the same time, or while the model computes, are
joined into one call, if the answers to a row depend on that row alone, and if one call is faster than several. The
answers are those of separate calls, but for the last bits: ONNX Runtime adds numbers in another order for other numbers
of rows.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.serve.limits import ServeLimits
from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.threads import in_thread

Feed = Mapping[str, npt.NDArray[Any]]
Names = tuple[str, ...]
Compute = Callable[[Feed, Names], Sequence[Any]]

# Seconds up to which a call is made before anything else, and up to which the event loop stands still for one.
_AT_ONCE = 50e-6
_ON_LOOP = 1e-3
# Of so many calls in a row, two wait until it is known whether others come at the same time.
_TRIED = 100
# Seconds that a joined call may take.
_JOINED = 50e-3
# How much a new time counts, and the most times the old one that it counts as: the machine has slow spells.
_NEW, _MOST = 0.2, 4


class Pace:
    """What calls have taken, by their sizes."""

    def __init__(self) -> None:
        self._rates: dict[int, float] = {}
        self.largest = 0

    def seconds(self, size: int) -> float | None:
        """About what a call of `size` numbers takes; None if there was none of about this size."""
        rate = self._rates.get(size.bit_length())
        return None if rate is None else rate * size

    def took(self, size: int, seconds: float) -> None:
        """Remember that a call of `size` numbers took `seconds`."""
        scale, rate = size.bit_length(), seconds / (size or 1)
        old = self._rates.get(scale)
        self._rates[scale] = rate if old is None else old + _NEW * (min(rate, _MOST * old) - old)
        if size > self.largest:
            self.largest = size

    def bounds_smaller(self, size: int) -> None:
        """Take it that smaller calls take no longer than one of `size`, which they may have been joined to since."""
        seconds = self.seconds(size)
        assert seconds is not None
        for scale, rate in self._rates.items():
            if scale < size.bit_length():
                self._rates[scale] = min(rate, seconds / 2 ** max(scale - 1, 0))

    def joins(self, first: int, second: int) -> bool:
        """Whether one call for both takes less time than two, or may do so: sizes that are not known are tried."""
        together = self.seconds(first + second)
        if together is None:
            return first + second <= 2 * self.largest
        apart = (self.seconds(first) or together) + (self.seconds(second) or together)
        if together <= _JOINED and together < apart:
            return True
        # It is tried again sometime, since what was measured may have been a slow spell.
        self._rates[(first + second).bit_length()] *= 0.99
        return False


class _Callers:
    """Whether there is one caller, whose requests come one after the other, or many, as far as is known."""

    def __init__(self) -> None:
        self._alone = 0

    def are_one(self) -> bool:
        """Whether the next request is to be taken as that of the only caller."""
        if not 1 < self._alone < _TRIED:
            return False
        self._alone += 1
        return True

    def came(self, count: int) -> None:
        """Remember how many requests came at the same time."""
        # Once is not enough: of many, the last one may have been left over.
        self._alone = 0 if count > 1 else 2 if self._alone == 1 else 1


class _Deadlines:
    """Refuses what is not answered within `seconds` (504). One timer is for all of them: each takes microseconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # The earliest first.
        self._due: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, answer: asyncio.Future[Any]) -> None:
        """Begin to wait for `answer`."""
        loop = answer.get_loop()
        due = self._due[answer] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look, loop)

    def remove(self, answer: asyncio.Future[Any]) -> None:
        """Stop waiting for it."""
        self._due.pop(answer, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, now = None, loop.time()
        for answer, due in list(self._due.items()):
            if due > now:
                self._timer = loop.call_at(due, self._look, loop)
                break
            del self._due[answer]
            if not answer.done():
                answer.set_exception(Refused(504, f"there was no answer within {self._seconds:g} seconds"))


@dataclass(slots=True)
class _Waiting:
    feed: Feed
    names: Names
    rows: int
    size: int
    answer: asyncio.Future[Sequence[Any]]

    def fits(self, other: "_Waiting") -> bool:
        """Whether both can be one call."""
        return self.names == other.names and all(
            values.shape[1:] == other.feed[name].shape[1:] for name, values in self.feed.items()
        )


class Calls:
    """Makes the calls of one model for the requests of one event loop.

    Attributes:
        waiting: how many requests wait now.
    """

    def __init__(
        self,
        compute: Compute,
        check: Callable[[Feed], Feed],
        threads: Executor,
        limits: ServeLimits,
        has_independent_rows: bool,
        on_call: Callable[[int], object] = lambda rows: None,
        on_waiting: Callable[[int], object] = lambda count: None,
    ) -> None:
        """Call `compute`.

        Args:
            compute: from tensors by name, and the names of outputs, to these outputs.
            check: from tensors by name to those of the declared types and shapes, as they have to be to be joined. It
                raises InvalidInput if they do not fit.
            threads: where calls are made that would hold the event loop up.
            limits: how many requests may wait, and how long.
            has_independent_rows: whether the first axis of all inputs and outputs is that of the rows, and the outputs
                of a row depend on it alone.
            on_call: called with the number of rows of each call.
            on_waiting: called with the number of requests that wait, when it changes.
        """
        self._compute, self._check, self._threads, self._limits = compute, check, threads, limits
        self._joins, self._on_call, self._on_waiting = has_independent_rows, on_call, on_waiting
        self._pace = Pace()
        self._queue: deque[_Waiting] = deque()
        self._is_due, self._is_busy = False, False
        self._callers, self._deadlines = _Callers(), _Deadlines(limits.seconds)
        self.waiting = 0

    async def outputs(self, feed: Feed, names: Names = ()) -> Sequence[Any]:
        """The outputs `names` for `feed`.

        Raises:
            Refused: too many requests wait already (503), or there was no answer within the limit (504).
            EdgePredictError: what `compute` and `check` raise.
        """
        size = sum([values.size for values in feed.values()])
        seconds = self._pace.seconds(size)
        is_quick = seconds is not None and seconds < (_AT_ONCE if self._joins else _ON_LOOP)
        if is_quick and (not self._joins or self._callers.are_one()):
            return self._call(feed, names, size)
        if self.waiting >= self._limits.waiting:
            raise Refused(503, f"{self.waiting} requests wait already; come again", {"retry-after": "1"})
        if self._joins:
            feed = self._check(feed)
        answer: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._deadlines.add(answer)
        one = _Waiting(feed, names, _rows(feed), size, answer)
        self._count(1)
        try:
            if self._joins:
                self._queue.append(one)
                self._look_soon(0 if is_quick else self._limits.delay)
            else:
                self._in_thread([one], size)
            return await answer
        finally:
            self._deadlines.remove(answer)
            self._count(-1)

    def _count(self, change: int) -> None:
        self.waiting += change
        self._on_waiting(self.waiting)

    def _call(self, feed: Feed, names: Names, size: int) -> Sequence[Any]:
        begin = time.perf_counter()
        outputs = self._compute(feed, names)
        self._pace.took(size, time.perf_counter() - begin)
        self._on_call(_rows(feed))
        return outputs

    def _look_soon(self, delay: float = 0) -> None:
        """Look at the queue when the requests that have arrived by now have joined it, or `delay` seconds later."""
        if self._is_due or self._is_busy or not self._queue:
            return
        self._is_due = True
        asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        """Make the next call."""
        self._is_due = False
        together, size = self._next()
        if not together:
            return
        self._callers.came(len(together) + len(self._queue))
        seconds = self._pace.seconds(size)
        if seconds is None or seconds > _ON_LOOP:
            self._is_busy = True
            self._in_thread(together, size)
            return
        _settle(together, self._results(together, size))
        self._look_soon()

    def _next(self) -> tuple[list[_Waiting], int]:
        """The requests to answer in one call, and the size of it."""
        together: list[_Waiting] = []
        size, others = 0, []
        while self._queue:
            one = self._queue.popleft()
            if one.answer.done():
                continue
            if not together or (together[0].fits(one) and self._pace.joins(size, one.size)):
                together.append(one)
                size += one.size
            else:
                others.append(one)
                if together[0].fits(one):
                    break
        self._queue.extendleft(reversed(others))
        return together, size

    def _results(self, together: list[_Waiting], size: int) -> list[Sequence[Any] | Exception]:
        """The outputs for each request, or what was raised for it."""
        first = together[0]
        try:
            if len(together) == 1:
                # It may have waited for a thread for longer than the limit.
                return [[]] if first.answer.done() else [self._call(first.feed, first.names, size)]
            feed = {name: np.concatenate([one.feed[name] for one in together]) for name in first.feed}
            outputs = self._call(feed, first.names, size)
            self._pace.bounds_smaller(size)
        except Exception as error:
            if len(together) == 1:
                return [error]
            # One request must not spoil the others.
            return [result for one in together for result in self._results([one], one.size)]
        return _parts(outputs, together)

    def _in_thread(self, together: list[_Waiting], size: int) -> None:
        def settle(done: asyncio.Future[list[Sequence[Any] | Exception]]) -> None:
            refused = done.exception()
            _settle(together, done.result() if refused is None else [refused] * len(together))
            self._is_busy = False
            self._look_soon()

        in_thread(self._threads, self._results, together, size).add_done_callback(settle)


def _parts(outputs: Sequence[Any], together: list[_Waiting]) -> list[Sequence[Any] | Exception]:
    """What of `outputs` each request gets."""
    parts: list[Sequence[Any] | Exception] = []
    start = 0
    for one in together:
        parts.append([values[start : start + one.rows] for values in outputs])
        start += one.rows
    return parts


def _rows(feed: Feed) -> int:
    for values in feed.values():
        return len(values) if values.ndim else 1
    return 1


def _settle(together: list[_Waiting], results: Sequence[Sequence[Any] | BaseException]) -> None:
    for one, result in zip(together, results, strict=True):
        if one.answer.done():
            continue
        if isinstance(result, BaseException):
            one.answer.set_exception(result)
        else:
            one.answer.set_result(result)
