"""What cuts other threads off: a fork, of which the child has one thread, and the end of the interpreter.

What a thread has locked inside ONNX Runtime stays locked in a forked process for ever, and one that returns from there
while the interpreter ends aborts the process. So both wait until no other thread is in a call or opens a model, and let
none begin. Calls pay nothing for that: meanwhile the functions that make them are replaced, and the stacks of the
threads tell which of them are in one.
"""

import atexit
import contextlib
import functools
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, cast

# How many seconds a fork, and the end of the interpreter, wait for the calls of other threads.
_PATIENCE = 2.0
_POLL = 0.0005

_change = threading.Condition(threading.RLock())
# The threads that have begun a stop, those that wait for its end before a call, and how many models each is opening.
_stopping: list[int] = []
_waiting: set[int] = set()
_openings: dict[int, int] = {}
_calls: list[tuple[Any, str, Callable[..., Any], Callable[..., Any]]] = []
_code: set[CodeType] = set()
# The threads that, when they last stopped the others, found none in a call for too long.
_alone: set[int] = set()
_in_child: list[Callable[[bool], None]] = []


def makes_calls(owner: Any, name: str) -> None:
    """The function `name` of a class or module calls ONNX Runtime, or does so on other threads while it waits."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def call_later(*arguments: Any, **named: Any) -> Any:
        thread = threading.get_ident()
        with _change:
            try:
                # A signal handler may make a call while its thread waits here. What opens a model may verify it, and a
                # fork waits for that.
                while thread not in _openings and _is_stopped_by_others(thread):
                    _waiting.add(thread)
                    _change.wait(_POLL)
            finally:
                _waiting.discard(thread)
            if not _stopping:
                _go_on()
        return function(*arguments, **named)

    _calls.append((owner, name, function, call_later))
    _code.update(one.__code__ for one in (function, cast(Any, call_later)))


def is_stopped() -> bool:
    """Whether other threads cannot make calls now, so that this one must not wait for theirs."""
    return bool(_stopping)


@contextlib.contextmanager
def opening() -> Iterator[None]:
    """In here a model is opened. It waits for a fork on another thread, and that waits for it."""
    thread = threading.get_ident()
    begun = False
    try:
        with _change:
            # A signal handler may open a model while this thread opens one, or forks.
            while thread not in _openings and _is_stopped_by_others(thread):
                _change.wait(_POLL)
            _openings[thread] = _openings.get(thread, 0) + 1
            begun = True
        yield
    finally:
        if begun:
            # In these lines no signal is handled, which could raise.
            left = _openings[thread] - 1
            if left:
                _openings[thread] = left
            else:
                del _openings[thread]
            with _change:
                _change.notify_all()


def has_lock() -> bool:
    """Whether this Python has a lock that its threads must share."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def after_fork(prepare: Callable[[bool], None]) -> None:
    """Call `prepare` in each forked process; with True if another thread may have been in a call."""
    _in_child.append(prepare)


def _is_stopped_by_others(thread: int) -> bool:
    return any(other != thread for other in _stopping)


def _stop(patience: float | None) -> bool:
    """Let the calls and openings of other threads end, and none begin; return whether they have ended.

    Args:
        patience: how many seconds to wait for openings, which may take long; None for as long as they take.
    """
    thread = threading.get_ident()
    with _change:
        while thread not in _openings and _is_stopped_by_others(thread):
            _change.wait(_POLL)
        _stopping.append(thread)
        is_busy = not _change.wait_for(lambda: not _openings.keys() - {thread}, patience)
        # Each replacement of a function makes later calls of it slower for a while.
        if threading.active_count() == len(_stacks()) == 1:
            return True
        for owner, name, _, call_later in _calls:
            setattr(owner, name, call_later)
        end = time.monotonic() + _PATIENCE
        while _others_are_in_calls(thread):
            if time.monotonic() > end:
                return False
            _change.wait(_POLL)
        return not is_busy


def _others_are_in_calls(thread: int) -> bool:
    # Without it, the stacks of other threads change while they are read.
    if not has_lock():
        return True
    for other, top in _stacks().items():
        frame = None if other == thread or other in _waiting else top
        while frame is not None:
            if frame.f_code in _code:
                return True
            frame = frame.f_back
    return False


def _stacks() -> dict[int, FrameType]:
    """What each thread runs.

    If Python 3.11 collects garbage in here, it may wait for ever for a lock that it holds (its issue 106883).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if collects:
            gc.enable()


def _go_on() -> None:
    for owner, name, function, _ in _calls:
        if getattr(owner, name) is not function:
            setattr(owner, name, function)


def _before_fork() -> None:
    thread = threading.get_ident()
    # If a signal handler forks while its thread opens a model, others that open one may wait for a lock of that thread.
    if _stop(_PATIENCE if thread in _openings else None):
        _alone.add(thread)


def _as_child() -> None:
    global _change
    _change = threading.Condition(threading.RLock())
    _stopping.clear()
    _waiting.clear()
    thread = threading.get_ident()
    for other in _openings.keys() - {thread}:
        del _openings[other]
    _go_on()
    may_be_locked = thread not in _alone
    _alone.clear()
    for prepare in _in_child:
        prepare(may_be_locked)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_as_child)
    # Not functions of Python's: what a signal handler raises in one would end it, and the others would wait for ever.
    os.register_at_fork(after_in_parent=_alone.clear)
    os.register_at_fork(after_in_parent=_stopping.clear)
atexit.register(_stop, _PATIENCE)
