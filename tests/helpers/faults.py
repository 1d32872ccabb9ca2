"""System calls that fail, or at which the process is killed: the n-th one, or all from then on."""

import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

# What writing files does with the system. Python's own modules call these through `os`, too.
CALLS = (
    *("open", "write", "read", "fsync", "replace", "rename", "link", "unlink", "ftruncate", "lseek", "close"),
    *("fchmod", "fchown", "lstat", "stat", "fstat", "scandir", "mkdir", "rmdir"),
)


class Counter:
    """How many calls were made."""

    def __init__(self) -> None:
        self.count = 0


@contextlib.contextmanager
def at_call(number: int | None, happen: Callable[[], None], *, and_later: bool = False) -> Iterator[Counter]:
    """Let something happen at a call of the system, from 0, in place of it; of a write, half is written before.

    Args:
        number: at which; None for none.
        happen: raises an error, or ends the process.
        and_later: at all later ones, too.
    """
    counter = Counter()
    originals = {name: getattr(os, name) for name in CALLS if hasattr(os, name)}

    def replaced(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            here = counter.count
            counter.count += 1
            if number is not None and (here == number or (and_later and here > number)):
                if name == "write":
                    descriptor, content = arguments
                    originals["write"](descriptor, bytes(content)[: len(content) // 2])
                if name == "close":  # it is closed, whatever it says
                    originals["close"](*arguments)
                happen()
            return originals[name](*arguments, **options)

        return call

    for name in originals:
        setattr(os, name, replaced(name))
    try:
        yield counter
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def kill() -> None:
    """End this process, as SIGKILL ends it."""
    os.kill(os.getpid(), signal.SIGKILL)


def raising(error: BaseException) -> Callable[..., None]:
    """What raises `error`."""

    def fail(*_: object) -> None:
        raise error

    return fail


def in_fork(work: Callable[[], object]) -> int:
    """Do `work` in a fork of this process: its exit code, or the negative number of the signal that killed it."""
    with warnings.catch_warnings():
        # From Python 3.12 on, of forks in a process with threads, such as xdist's; this work needs none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)
