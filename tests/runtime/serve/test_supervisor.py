import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import FOUR_BLOBS, MODELS
from servers import LONELY, Server, serving, until

PROC = Path("/proc")

pytestmark = pytest.mark.skipif(not PROC.exists(), reason="children are found in Linux's /proc")


def workers(server: Server) -> list[int]:
    """The processes that serve, without multiprocessing's own helper."""
    children = (PROC / f"{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    found = []
    for pid in children:
        # One that has ended has no command line, or is gone.
        with contextlib.suppress(OSError):
            if b"spawn_main" in (PROC / pid / "cmdline").read_bytes():
                found.append(int(pid))
    return found


def is_free(address: tuple[str, int]) -> bool:
    try:
        socket.create_server(address).close()
    except OSError:
        return False
    return True


def is_running(pid: int) -> bool:
    try:
        return (PROC / f"{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def wait_for_workers(server: Server, count: int) -> list[int]:
    found: list[int] = []

    def are_all_there() -> bool:
        found[:] = workers(server)
        return len(found) == count

    until(are_all_there)
    return found


def with_each(pids: list[int], call: Callable[[], object]) -> None:
    """Make a call that each of two workers has to answer."""
    for other in pids:
        os.kill(other, signal.SIGSTOP)
        try:
            call()
        finally:
            os.kill(other, signal.SIGCONT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_workers_begin_and_end_together(number: int, code: int) -> None:
    with serving(FOUR_BLOBS, "--workers", 3) as server:
        found = wait_for_workers(server, 3)
        assert server.end(number) == code
        assert not any(map(is_running, found))
        assert server.notes == [f"serving four_blobs on {server.url}\n"]


def test_a_second_signal_ends_a_drain() -> None:
    with serving(FOUR_BLOBS, "--workers", 2, "--drain", 1000) as server:
        found = wait_for_workers(server, 2)
        with_each(found, lambda: server.ask("/v2/health/ready"))
        server.process.send_signal(signal.SIGTERM)
        # Two signals to a worker that has handled neither would be one.
        with_each(found, lambda: until(lambda: server.ask("/v2/health/ready").status == 503))
        assert server.end() == 0


def test_a_signal_to_all_processes_is_one() -> None:
    # As systemd and timeout send it; the supervisor sends it to the workers once more.
    with serving(FOUR_BLOBS, "--workers", 2, "--drain", 1000) as server:
        for worker in wait_for_workers(server, 2):
            os.kill(worker, signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.ask("/v2/health/ready").status == 503)
        for _ in range(10):
            time.sleep(0.05)
            # Either worker still serves.
            assert server.ask("/v2/health/live").status == 200
        assert server.end() == 0


def test_what_is_wrong_with_a_model_is_said_once() -> None:
    with serving(MODELS / "mass.onnx", "--workers", 2) as server:
        first, _ = wait_for_workers(server, 2)
        os.kill(first, signal.SIGKILL)
        server.line("another one is started")
        assert server.ask("/v2/health/ready").status == 200
        wait_for_workers(server, 2)
        assert server.end() == 0
    assert sum("has no certificate" in line for line in server.notes) == 1


def test_another_worker_is_started_for_one_that_dies() -> None:
    with serving(FOUR_BLOBS, "--workers", 2) as server:
        first, second = wait_for_workers(server, 2)
        os.kill(first, signal.SIGKILL)
        server.line(rf"worker {first} has ended with exit code -9; another one is started")
        assert server.ask("/v2/health/ready").status == 200
        new = wait_for_workers(server, 2)
        assert second in new
        assert first not in new
        assert server.end() == 0


def test_workers_end_when_the_supervisor_is_killed() -> None:
    with serving(FOUR_BLOBS, "--workers", 2, "--host", LONELY) as server:
        found = wait_for_workers(server, 2)
        server.process.kill()
        until(lambda: not any(map(is_running, found)))
        until(lambda: is_free(server.address))


def test_workers_count_together() -> None:
    with serving(FOUR_BLOBS, "--workers", 2) as server:
        found = wait_for_workers(server, 2)

        def count() -> None:
            assert server.ask("/v2/models/four_blobs/infer", "{").status == 400

        def check() -> None:
            text = server.ask("/metrics").body.decode()
            assert 'requests_total{code="400",endpoint="infer",model="four_blobs"} 2.0' in text
            assert 'edge_serve_model_info{model="four_blobs"' in text

        with_each(found, count)
        with_each(found, check)
