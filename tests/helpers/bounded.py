"""Real commands on hostile files: how they end, what they say, and how much memory they take."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from concurrency import HANG

# More than any library maps at first, and far less than what a bomb unpacks to.
_ADDRESSES = 6 << 30
_MEASURED = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, ({_ADDRESSES}, {_ADDRESSES}))
module = sys.argv.pop(1)
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    with open("/proc/self/status") as status:
        (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM"))
    print("PEAK", peak, file=sys.stderr)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; negative if a signal ended it.
        out: what it wrote on stdout.
        err: what it wrote on stderr.
        peak: the most memory that it had, in bytes; 0 if a signal ended it.
    """

    code: int
    out: str
    err: str
    peak: int


def run_bounded(module: str, *arguments: object, producer: Sequence[str] = ()) -> Ended:
    """Run `python -m module` in a process of its own that gets no more than 6 GiB of addresses. On Linux alone.

    Args:
        module: such as "edge_runtime".
        arguments: its words.
        producer: a command whose output it reads from stdin; nothing by default.
    """
    source = subprocess.Popen(producer, stdout=subprocess.PIPE) if producer else None
    try:
        result = subprocess.run(
            [sys.executable, "-c", _MEASURED, module, *map(str, arguments)],
            stdin=subprocess.DEVNULL if source is None else source.stdout,
            capture_output=True,
            text=True,
            timeout=HANG,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    finally:
        if source is not None and source.stdout is not None:
            source.stdout.close()
            source.kill()
            source.wait()
    said, _, peak = result.stderr.rpartition("PEAK ")
    return Ended(result.returncode, result.stdout, said if peak else result.stderr, int(peak.strip() or 0) * 1024)
