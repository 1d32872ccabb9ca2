"""What the handler of a signal raises ends the call that it interrupts: not an error of the call."""

import functools
from collections.abc import Iterator
from types import CodeType


def is_from_handler(error: BaseException) -> bool:
    """Whether a handler of a signal has raised `error`."""
    # Only errors need it.
    import signal

    codes = set(_codes(signal.getsignal(number) for number in signal.valid_signals()))
    entry = error.__traceback__
    while entry is not None:
        if entry.tb_frame.f_code in codes:
            return True
        entry = entry.tb_next
    return False


def _codes(handlers: Iterator[object]) -> Iterator[CodeType]:
    """What the handlers that are written in Python run."""
    for handler in handlers:
        while isinstance(handler, functools.partial):
            handler = handler.func
        # Of a method, its function has it; of an object that can be called, its class.
        for function in (handler, getattr(type(handler), "__call__", None)):  # noqa: B004
            if isinstance(code := getattr(function, "__code__", None), CodeType):
                yield code
