"""A progress bar on stderr, for work that takes longer than two seconds. It is shown only on a terminal.

It is not a library's, because the runtime may depend only on numpy, ONNX Runtime and typer, and all three commands show
the same bar. A thread draws it, so that it goes on during long steps, and short steps do not wait for it.
"""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

_DELAY = 2.0  # seconds before it appears
_INTERVAL = 0.2  # seconds between two drawings
_BAR = 24  # characters
_SHORT_BAR = 8  # where there is little room


class Progress:
    """What is being done, and how much of it is done: `with Progress("verifying") as progress: ...`.

    Attributes:
        label: what is being done.
        total: how many steps it has; None if that is not known, 0 to show nothing.
        done: how many of them are done.
        more: what else is shown behind the time.
    """

    def __init__(self, label: str = "", total: int | None = None, delay: float | None = None) -> None:
        """Show nothing until it is entered and `delay` seconds have passed; by default two."""
        self.label, self.total, self.done, self.more = label, total, 0, ""
        self._delay = _DELAY if delay is None else delay
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._thread: threading.Thread | None = None
        self._shown = 0

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        if self.total != 0 and sys.stderr is not None and sys.stderr.isatty():
            self._thread = threading.Thread(target=self._draw_until_finished, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finished.set()
        if self._thread is not None:
            self._thread.join()
        self._erase()

    def begin(self, label: str, total: int | None = None) -> None:
        """Go on to the next thing to do, with its own number of steps."""
        self.label, self.total, self.done, self.more = label, total, 0, ""

    def advance(self, steps: int = 1) -> None:
        """Count steps as done."""
        self.done += steps

    def write(self, line: str) -> None:
        """Print a line of results on stdout, above the bar."""
        with self.above():
            print(line, flush=True)  # noqa: T201

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """What is printed within this stands above the bar."""
        with self._lock:
            self._erase()
            yield

    def _draw_until_finished(self) -> None:
        if self._finished.wait(self._delay):
            return
        while True:
            with self._lock:
                self._draw()
            if self._finished.wait(_INTERVAL):
                return

    def _draw(self) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        numbers = f"{minutes}:{seconds:02}"
        # The last column stays free: some terminals begin a new line there.
        room = shutil.get_terminal_size().columns - 1
        if self.total:
            fraction = min(1.0, self.done / self.total)
            bar = _BAR if room > 2 * _BAR and not self.more else _SHORT_BAR
            filled = round(bar * fraction)
            numbers = f"[{'#' * filled}{'.' * (bar - filled)}] {fraction:4.0%}  {numbers}"
        if self.more:
            numbers = f"{numbers}  {self.more}"
        label, left = self.label, room - len(numbers) - 2
        if len(label) > left:
            label = f"{label[: left - 3]}..." if left > 3 else ""
        text = f"{label}  {numbers}"[-room:] if room > 0 else ""
        # Spaces over what is left of the last drawing, since not every terminal knows escapes.
        sys.stderr.write(f"\r{text}{' ' * (self._shown - len(text))}")
        sys.stderr.flush()
        self._shown = len(text)

    def _erase(self) -> None:
        if self._shown:
            sys.stderr.write(f"\r{' ' * self._shown}\r")
            sys.stderr.flush()
            self._shown = 0


# Never shown: what functions report to if nobody asks for their progress.
SILENT = Progress()
