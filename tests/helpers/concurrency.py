"""Calls at the same time as others, and within others."""

import gc
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Seconds after which a thread that never comes is a failure; no test waits that long.
HANG = 300


def in_threads(work: Callable[[], object], count: int) -> None:
    """Do `work` in `count` threads that begin together.

    Raises:
        BaseException: the first one that `work` raised, in the order of the threads, after all of them have ended.
    """
    begin = threading.Barrier(count)

    def begin_together() -> None:
        begin.wait(HANG)
        work()

    with ThreadPoolExecutor(count) as threads:
        calls = [threads.submit(begin_together) for _ in range(count)]
    for call in calls:
        call.result()


def held(predictor: Any) -> Any:
    """The buffers that the next call of `predictor` will hold."""
    (found,) = predictor._runner.placement.turns.current
    return found


def call_within(buffers: Any, call: Callable[[], object]) -> None:
    """Let `call` be made in the middle of each call on bound buffers, as a signal handler or a finalizer makes it."""
    run = buffers.run

    def interrupted() -> None:
        call()
        run()

    buffers.run = interrupted


def assert_holds_in_a_fork(check: Callable[[], object]) -> None:
    """Do `check` in a process forked off this one, which must end well."""
    child = os.fork()
    if not child:
        # What other tests have left is not freed here: sessions of ONNX Runtime's own would wait for their threads.
        gc.disable()
        signal.alarm(HANG)
        status = 1
        try:
            check()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
