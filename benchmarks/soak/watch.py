"""What processes take, by Linux's /proc: memory of their own, open files, threads."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """What a process has at one moment."""

    seconds: float
    megabytes: float
    descriptors: int
    threads: int


class Watch:
    """Looks at processes every so many seconds, on a thread."""

    def __init__(self, seconds: float = 1) -> None:
        self._seconds = seconds
        self._pids: dict[str, int] = {}
        self.samples: dict[str, list[Sample]] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def add(self, pids: Mapping[str, int]) -> None:
        """Look at more processes, each under its name."""
        self._pids.update(pids)

    def end(self) -> None:
        """Look no more."""
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.wait(self._seconds):
            for name, pid in list(self._pids.items()):
                if (found := sample(pid)) is not None:
                    self.samples.setdefault(name, []).append(found)


def sample(pid: int) -> Sample | None:
    """What a process has now; None if it has ended.

    Its memory is what it holds that is not of a file, whether a forked child shares it or not: a leak is there.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in text.splitlines())
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        kilobytes = int(fields["RssAnon"].split()[0])
    except (OSError, KeyError):
        # A process that has ended, but was not waited for, has no memory.
        return None
    return Sample(time.monotonic(), kilobytes / 1024, descriptors, int(fields["Threads"]))


def serving(pid: int) -> list[int]:
    """The workers of a server that take requests, from the oldest: they have their threads."""
    try:
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    # multiprocessing's own helper is one of the children, and has one thread too.
    return [child for child in found if (one := sample(child)) is not None and one.threads > 1]
