"""What a fork leaves behind: which threads may have been in ONNX Runtime, and that none was opening a model.

A forked process has one thread. What another one has locked inside ONNX Runtime stays locked there for ever, and what
it has begun is never done. So an inherited session is used only if no other thread can have been in a call of it, and a
fork waits until no other thread opens a model, which locks what all sessions share.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

# The threads that have made calls and may be in one, by their identifiers.
_callers: set[int] = set()
_openings: dict[int, int] = {}
_change = threading.Condition(threading.RLock())
_forking: list[int] = []
_in_child: list[Callable[[bool], None]] = []

# What else tells that a call may be under way, without `begin_calls`.
signs_of_calls: list[Callable[[], bool]] = []

# This thread makes calls, or begins to do so. It is one step of the interpreter, since calls at the same time do it.
begin_calls: Callable[[], None] = lambda: _callers.add(threading.get_ident())  # noqa: E731


def end_calls() -> None:
    """This thread makes no calls for now."""
    _callers.discard(threading.get_ident())


@contextlib.contextmanager
def opening() -> Iterator[None]:
    """In here a model is opened. It waits for forks on other threads, and they wait for it."""
    begin_calls()
    thread = threading.get_ident()
    with _change:
        # A signal handler may open a model while this thread opens one, or forks.
        while set(_forking) - {thread} and thread not in _openings:
            _change.wait()
        _openings[thread] = _openings.get(thread, 0) + 1
    try:
        yield
    finally:
        with _change:
            _openings[thread] -= 1
            if not _openings[thread]:
                del _openings[thread]
            _change.notify_all()


def after_fork(prepare: Callable[[bool], None]) -> None:
    """Call `prepare` in each forked process; with True if another thread may have been in a call."""
    _in_child.append(prepare)


def _before() -> None:
    thread = threading.get_ident()
    with _change:
        _forking.append(thread)
        while _openings.keys() - {thread}:
            _change.wait()
    for gone in set(_callers) - sys._current_frames().keys():
        _callers.discard(gone)


def _in_parent() -> None:
    with _change:
        _forking.remove(threading.get_ident())
        _change.notify_all()


def _as_child() -> None:
    global _change
    _change = threading.Condition(threading.RLock())
    _forking.clear()
    may_be_locked = bool(_callers - {threading.get_ident()}) or any(sign() for sign in signs_of_calls)
    _callers.intersection_update({threading.get_ident()})
    for prepare in _in_child:
        prepare(may_be_locked)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_as_child)
