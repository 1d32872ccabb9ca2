"""Programs that run beside a test, and are gone after it with all processes that they have started."""

import contextlib
import os
import signal
import socket
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


def free_port() -> int:
    """A port that no program listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], log: Path) -> None:
    """Return once `condition` holds; what a program said is in the error if it never does."""
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def answer_of(port: int, path: str, body: bytes) -> bytes:
    """What a program answers to a POST of JSON; a request that is refused or cut raises."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        content: bytes = answer.read()
        return content


def run_example(name: str, *arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        input=given,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG,
    )
