import contextlib
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from benchmarks.soak.counts import Counts
from benchmarks.soak.known import Known
from benchmarks.soak.load import Load, has_wrk

KNOWN = Known((Path("a"), Path("b")), np.array([[1.5, -2]], np.float32), np.array([[0.25], [0.75]]))
RIGHT = '{"model":"live","answers":[{"label":0,"probability":0.75,"probabilities":{"0":0.75,"1":0.25},"unseen":{}}]}'


def test_what_wrk_says() -> None:
    load, counts = Load(), Counts()
    load.add('x\nFOUND {"requests": 10, "wrong": 1, "refused": 2, "lost": 1, "percentiles": [1, 2, 3]}\n', counts)
    assert (load.requests, load.lost, counts.wrong["request, wrk"], counts.failed["request, wrk"]) == (10, 1, 1, 2)
    load.add("unable to connect", counts)
    assert counts.failed["request, wrk"] == 3


@contextlib.contextmanager
def answering(answers: list[str]) -> Iterator[str]:
    """A server that gives these answers to its first requests and then the last one for ever; for "" it hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(40) as threads:
        rest = iter(answers)

        def answer(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while connection.recv(65536):
                    body = next(rest, answers[-1])
                    if not body:
                        return
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                    connection.sendall((head + body).encode())

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threads.submit(answer, listening.accept()[0])

        threads.submit(accept)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.skipif(not has_wrk() or sys.platform != "linux", reason="wrk is not installed")
@pytest.mark.parametrize(
    ("answers", "wrong", "lost"),
    [
        ([RIGHT], 0, 0),
        ([RIGHT] * 3 + [RIGHT.replace("0.25}", "0.251}"), RIGHT], 1, 0),
        ([RIGHT] * 3 + [RIGHT.replace('"label":0', '"label":1'), RIGHT], 1, 0),
        ([RIGHT] * 3 + ["", RIGHT], 0, 1),
        (["{}", RIGHT], 1, 0),
    ],
)
def test_one_wrong_answer_and_one_lost_request_are_found(
    answers: list[str], wrong: int, lost: int, tmp_path: Path
) -> None:
    load, counts = Load(), Counts()
    with answering(answers) as url:
        written, _ = load.started(KNOWN, 0, url, tmp_path, 1).communicate()
    load.add(written, counts)
    assert load.requests > 3, written
    assert (counts.wrong["request, wrk"], load.lost, counts.failed["request, wrk"]) == (wrong, lost, 0)
