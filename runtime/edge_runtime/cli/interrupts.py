"""Ctrl-C while ONNX Runtime works: Python sees it only once that is done, which a model may put off for ever."""

import contextlib
import os
import signal
import threading
import time

# Seconds in which the command ends by itself, if Python sees the interrupt.
GRACE = 2.0


def end_on_ctrl_c() -> None:
    """From now on, end this process with exit code 130 if it goes on for 2 s after SIGINT.

    Nothing is done where signals have another handler, on Windows, and where there is no descriptor or thread for it.
    """
    if os.name == "nt" or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    with contextlib.suppress(OSError):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            threading.Thread(target=_end_after_an_interrupt, args=(reader,), daemon=True).start()
        except RuntimeError:
            os.close(reader)
            os.close(writer)
        else:
            # The number of each signal is written here as it comes, also within a call in C.
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)


def _end_after_an_interrupt(reader: int) -> None:
    while signal.SIGINT not in os.read(reader, 1):
        pass
    time.sleep(GRACE)
    os._exit(130)
