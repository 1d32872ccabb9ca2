"""Calls at the same time as others, and within others."""

import threading
from collections.abc import Callable
from typing import Any


def in_threads(work: Callable[[], object], count: int) -> None:
    """Do `work` in so many threads at once."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def call_within(lane: Any, call: Callable[[], object]) -> None:
    """Let `call` be made in the middle of each call of a lane, as a signal handler or a finalizer would make it."""
    run = lane.run

    def interrupted() -> None:
        call()
        run()

    lane.run = interrupted
