"""A process of a soak: one kind of use until a second comes, and then its counts as JSON on stdout.

python -m benchmarks.soak.caller KIND FOLDER SECONDS
"""

import json
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soak.counts import Counts, Times
from benchmarks.soak.known import Known

# The first and the last part of a run, whose times are compared.
_PART = 0.2


@dataclass
class Caller:
    """What all kinds of use have.

    Attributes:
        known: the rows and their answers.
        folder: with `live.onnx`, in whose place both models are put in turn, and `url`, where they are served.
        begin, end: when it begins and ends, on the monotonic clock.
        counts: what to count.
        times: of calls by what they are.
    """

    known: Known
    folder: Path
    begin: float
    end: float
    counts: Counts
    times: dict[str, Times]

    @property
    def live(self) -> Path:
        """The model that changes."""
        return self.folder / "live.onnx"

    def goes_on(self) -> bool:
        """Whether the time is not over."""
        return time.monotonic() < self.end

    def part(self) -> int | None:
        """0 in the first part of the run, 1 in the last, None between them."""
        done = (time.monotonic() - self.begin) / (self.end - self.begin)
        return 0 if done < _PART else 1 if done > 1 - _PART else None

    def chosen(self, random: np.random.Generator, count: int) -> Any:
        """Some of the rows, by their places."""
        return random.integers(0, len(self.known.rows), count)


def save(known: Known, folder: Path) -> None:
    """Put the rows and their answers where the processes read them."""
    (folder / "known.pickle").write_bytes(pickle.dumps(known))


def main(kind: str, folder: str, seconds: str) -> None:
    """Be a process of one kind."""
    from benchmarks.soak import files, latencies, processes, requests, signals, threads

    kinds: Mapping[str, Callable[[Caller], object]] = {
        "threads": threads.run,
        "signals": signals.run,
        "forks": processes.run,
        "files": files.run,
        "latencies": latencies.run,
        "requests": requests.run,
    }
    # Of our own making.
    known = pickle.loads((Path(folder) / "known.pickle").read_bytes())
    begin = time.monotonic()
    times = {name: Times() for name in ("control", "one", "batch", "request")}
    caller = Caller(known, Path(folder), begin, begin + float(seconds), Counts(), times)
    kinds[kind](caller)
    found = {name: one.percentiles() for name, one in caller.times.items()}
    print(json.dumps({"counts": caller.counts.as_dict(), "times": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
