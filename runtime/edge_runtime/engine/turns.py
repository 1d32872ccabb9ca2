"""Turns: how threads that make nothing but small calls keep out of each other's way.

ONNX Runtime releases Python's lock in each call. If another thread waits for that lock, it takes it, and the call waits
to get it back when it is done. This takes several times as long as a small call, so that 8 threads together are slower
than one. So such threads take turns, as threads that only run Python code do: one makes its calls while the others
sleep, for as long as Python lets a thread keep its lock.

Nobody waits for a lock here. A thread that has slept for long enough goes on, whatever the others do: a signal handler
may make a call in the middle of another one, and a forked process does not have the threads of its parent.
"""

import contextlib
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from edge_runtime.engine import forks

Held = TypeVar("Held")

# Calls of one thread that follow each other within so many nanoseconds of its processor time are small ones, with
# nothing between them; the lock itself takes some of it. What is known to be small may have something between.
_CLOSE, _CLOSE_IF_SMALL = 50_000, 200_000
# So many of them in a row, each at the same time as a call of another thread, are more than a coincidence.
_COINCIDENCES = 4
# How many seconds the first of those that wait sleeps before it looks whether a call is still under way. A look takes
# Python's lock from that call, so that there are no more until its turn comes.
_SLEEPS = (0.0002, 0.001)
# How many seconds after two calls at the same time there may be more.
_CROWDED = 0.05


class _Caller(Generic[Held]):
    """A thread, as far as it has called at the same time as others.

    Attributes:
        turn: what its own such calls hold, one at a time; empty while it is held.
        last: when it began the last of these calls, in its processor time; None if its turn has ended since.
        count: how many of them have followed each other closely.
        waits: whether it waits for its turn.
    """

    def __init__(self) -> None:
        self.turn: list[Held] | None = None
        self.last: int | None = 0
        self.count = 0
        self.waits = False


class _Callers(threading.local, Generic[Held]):
    def __init__(self) -> None:
        self.own: _Caller[Held] = _Caller()


class Turns(Generic[Held]):
    """The turns of one model's calls.

    A call pops what it holds from `current` and appends it to the same list when it is done. Both are one step of the
    interpreter. If `current` is empty, `other` has something else to hold.
    """

    def __init__(self, make: Callable[[], Held]) -> None:
        """Let each call hold what `make` gives, or what an earlier call held."""
        self._make = make
        self.begin_anew()
        _all.add(self)

    def begin_anew(self) -> None:
        """Forget all callers, and what they hold."""
        self._callers: _Callers[Held] = _Callers()
        self._waiting: list[threading.Lock] = []
        self._whose: _Caller[Held] | None = None
        self._since = self._last_other = 0.0
        # A plain list, with which an interpreter is quicker than with any other class.
        self._first = self.current = [self._make()]
        self._known: weakref.WeakSet[_Caller[Held]] = weakref.WeakSet()

    @property
    def are_taken(self) -> bool:
        """Whether a call is under way."""
        return not (self.current and self._first and all(caller.turn for caller in self._known))

    @property
    def are_crowded(self) -> bool:
        """Whether several threads are calling at this time."""
        return time.monotonic() - self._last_other < _CROWDED

    def take(self, is_small: bool | None = None) -> tuple[list[Held], Held]:
        """Both steps for a call that can spare the time: see `other`."""
        turn = self.current
        try:
            return turn, turn.pop()
        except IndexError:
            return self.other(is_small)

    def other(self, is_small: bool | None = None) -> tuple[list[Held], Held]:
        """For a call while another one is under way.

        Args:
            is_small: whether the call is so small that it had better wait; None if nothing is known of it.

        Returns:
            What to hold, and what to append it to afterwards.
        """
        self._last_other = time.monotonic()
        caller = self._callers.own
        if is_small is False:
            turn = self._turn_of(caller)
            return turn, turn.pop()
        now = time.thread_time_ns()
        if caller.last is not None and now - caller.last > (_CLOSE_IF_SMALL if is_small else _CLOSE):
            caller.count = 0
        caller.last = now
        caller.count += 1
        # A signal handler that is called again and again while it waits would never end.
        if caller.count > _COINCIDENCES and not caller.waits and forks.has_lock():
            caller.waits = True
            try:
                self._wait(caller)
            finally:
                caller.waits = False
            try:
                turn = self.current
                return turn, turn.pop()
            except IndexError:
                pass
        turn = self._turn_of(caller)
        return turn, turn.pop()

    def _wait(self, caller: _Caller[Held]) -> None:
        """Sleep until no call is under way, or it is this thread's turn."""
        sleeps, slice_ = iter(_SLEEPS), 2 * sys.getswitchinterval()
        # Released when all that began to wait earlier have gone on.
        is_first = threading.Lock()
        is_first.acquire()
        self._waiting.append(is_first)
        try:
            if self._waiting[0] is not is_first:
                is_first.acquire(timeout=len(self._waiting) * slice_)
            while True:
                left = self._since + slice_ - time.monotonic()
                if left <= 0:
                    self._take(caller)
                    break
                time.sleep(min(next(sleeps, left), left))
                if self.current:
                    break
        finally:
            self._waiting.remove(is_first)
            # Several may release it at the same time.
            with contextlib.suppress(IndexError, RuntimeError):
                self._waiting[0].release()

    def _take(self, caller: _Caller[Held]) -> None:
        """Let the calls of this thread be the ones that find `current` filled."""
        if self._whose is not None:
            self._whose.last = None
        self._whose, self._since = caller, time.monotonic()
        self.current = self._turn_of(caller)

    def _turn_of(self, caller: _Caller[Held]) -> list[Held]:
        if not caller.turn:
            # Another thread may hold its turn, or a call that this one interrupts.
            caller.turn = [self._make()]
            self._known.add(caller)
        return caller.turn


_all: "weakref.WeakSet[Turns[Any]]" = weakref.WeakSet()


def _begin_anew(may_be_locked: bool) -> None:
    """In a forked process, what a call of another thread holds never comes back, and may belong to a locked session."""
    for turns in _all:
        if may_be_locked or turns.are_taken:
            turns.begin_anew()


forks.after_fork(_begin_anew)
