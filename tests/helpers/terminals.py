"""A terminal to draw on, which tests wait for instead of a time."""

import io
import threading

from concurrency import HANG


class Terminal(io.StringIO):
    """What is written to it can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._written = threading.Condition()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._written:
            count = super().write(text)
            self._written.notify_all()
        return count

    def wait_for(self, text: str) -> None:
        """Wait until `text` has been written."""
        with self._written:
            assert self._written.wait_for(lambda: text in self.getvalue(), HANG), f"{text!r} was not written"

    def screen(self) -> str:
        """What is in the last line: a carriage return goes back to its start."""
        line = ""
        for part in self.getvalue().split("\r"):
            line = part + line[len(part) :]
        return line.rstrip()
