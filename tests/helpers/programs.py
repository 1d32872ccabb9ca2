"""Programs that run beside a test, and are gone after it with all processes that they have started."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from concurrency import HANG
from paths import FOUR_BLOBS, ROOT

EXAMPLES = ROOT / "examples"


def environment(**changes: str) -> dict[str, str]:
    """What examples read: the model, and this checkout's packages in every process."""
    # As of this process, so that children of children find what a test runs.
    return {**os.environ, "MODEL": str(FOUR_BLOBS), "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **changes}


@contextlib.contextmanager
def running(log: Path, *command: object, cwd: Path = EXAMPLES, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m command`, which writes what it says into `log`, in a session of its own."""
    with log.open("wb") as file:
        program = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            cwd=cwd,
            env=environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield program
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(HANG)


def ends(program: subprocess.Popen[bytes]) -> int:
    """The exit code of `program` after a request to end."""
    program.terminate()
    return program.wait(HANG)


def wait_until(condition: Callable[[], bool], log: Path) -> None:
    """Return once `condition` holds; what a program said is in the error if it never does."""
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def port_in(log: Path, before: str = r"http://127\.0\.0\.1:") -> int:
    """The port that a program was given by the system, which it says after `before`."""
    ports: list[str] = []

    def is_said() -> bool:
        ports[:] = re.findall(rf"{before}(\d+)\s", log.read_text())
        return bool(ports)

    wait_until(is_said, log)
    return int(ports[0])


def answer_of(port: int, path: str, body: bytes) -> bytes:
    """What a program answers to a POST of JSON; a request that is refused or cut raises."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        content: bytes = answer.read()
        return content


def run_example(name: str | Path, *arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        input=given,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def processor_seconds(pid: int) -> float:
    """What a process has used of the processors, as Linux's /proc says."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
