"""`edge-serve` with two workers, in processes of its own."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak.counts import Counts
from benchmarks.soak.known import command
from benchmarks.soak.watch import serving

WORKERS = 2
# Seconds that a process may take to end by itself.
ENDS = 300


class Server(NamedTuple):
    """A server that takes requests.

    Attributes:
        pid: of the process that watches the workers.
        url: where it listens.
        workers: their processes, from the oldest.
        log: the file with what it writes on stderr.
    """

    pid: int
    url: str
    workers: list[int]
    log: Path


@contextlib.contextmanager
def served(model: Path, log: Path, counts: Counts) -> Iterator[Server]:
    """A server of the model; that it ends in order is counted."""
    words = command("edge_runtime.serve", f"live={model}", "--port", 0, "--workers", WORKERS)
    with log.open("w") as stderr:
        server = subprocess.Popen(words, stderr=stderr)
    try:
        while "http://" not in log.read_text():
            if server.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        url = log.read_text().partition("http://")[2].split()[0]
        while len(workers := serving(server.pid)) < WORKERS:
            time.sleep(0.1)
        yield Server(server.pid, f"http://{url}", workers, log)
        server.terminate()
        counts.answer("server ends", lambda: server.wait(ENDS) == 0)
        if bad := [line for line in log.read_text().splitlines() if "ERROR" in line or "Traceback" in line]:
            counts.fail("server's log", bad[0])
    finally:
        server.kill()
        server.wait()
