"""Open files that run out: a server goes on with the connections that it has, and takes others afterwards."""

import contextlib
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from concurrency import HANG
from limited import command, for_each, limited
from paths import FOUR_BLOBS
from programs import processor_seconds

resource = pytest.importorskip("resource")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in Linux's /proc")

REQUEST = b"POST /models/model/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\n\r\n[-1,1]"


def test_the_command_needs_five() -> None:
    words = [*command("edge-predict"), FOUR_BLOBS, -1, 1]
    right = limited(words).out
    for_each([5, 8], lambda most: limited(words, resource.RLIMIT_NOFILE, most).assert_right_or_one_line(right))


@pytest.mark.slow
def test_training_export_and_an_isolated_model(tmp_path: Path) -> None:
    pytest.importorskip("edge_export")
    train = [*command("edge-train"), "--epochs", 3, "--seed", 1, "--output", tmp_path]
    export = [*command("edge-export"), tmp_path / "model.pt", "--format", "onnx", "--output", tmp_path]
    assert (limited(train).code, limited(export).code) == (0, 0)
    right = {
        path: path.read_bytes() for path in (tmp_path / name for name in ("model.pt", "metrics.json", "model.onnx"))
    }

    def assert_all_or_one_line(most: int) -> None:
        for words in (train, export, [*command("edge-predict"), FOUR_BLOBS, -1, 1, "--isolate"]):
            ended = limited(words, resource.RLIMIT_NOFILE, most)
            if ended.code:
                assert ended.code == 1, ended
                # Before it, torch says by itself that it does not find the processor's name.
                assert ended.err.splitlines()[-1].startswith("error: "), ended
                assert "Traceback" not in ended.err, ended
            assert {path: path.read_bytes() for path in right} == right, ended

    for_each([5, 6, 8, 12], assert_all_or_one_line)


def test_a_model_that_cannot_be_opened_for_now() -> None:
    from edge_runtime import OutOfResources, Predictor

    predictor = Predictor(FOUR_BLOBS)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    first = os.open(os.devnull, os.O_RDONLY)
    os.close(first)
    # No descriptor from the first free one on.
    resource.setrlimit(resource.RLIMIT_NOFILE, (first, before[1]))
    try:
        with pytest.raises(OutOfResources, match="cannot be read: Too many open files"):
            Predictor(FOUR_BLOBS)
        assert predictor.predict([[-1, 1]]).tolist() == [1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert Predictor(FOUR_BLOBS).predict([[-1, 1]]).tolist() == [1]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_server(workers: int, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    from servers import serving, until

    model = tmp_path / "model.onnx"
    shutil.copy(FOUR_BLOBS, model)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, before[1]))
        starting = serving(model, "--workers", workers)
        server = starting.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with contextlib.ExitStack() as ending, contextlib.ExitStack() as held:
        ending.push(starting.__exit__)
        first = held.enter_context(socket.create_connection(server.address))
        first.settimeout(HANG)
        first.sendall(REQUEST)
        assert first.recv(1 << 16).startswith(b"HTTP/1.1 200")
        for _ in range(100 * workers):
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_connection(server.address))
        # The new file cannot be opened now.
        new = tmp_path / "new.onnx"
        shutil.copy(FOUR_BLOBS, new)
        new.replace(model)
        # It does not spin once it has seen them all.
        until(lambda: rests(server.process.pid))
        first.sendall(REQUEST)
        assert first.recv(1 << 16).startswith(b"HTTP/1.1 200")
        held.close()
        until(lambda: is_ready(server))
        until(lambda: b'result="taken"' in server.ask("/metrics").body)
        assert server.ask("/models/model/predict", "[-1, 1]").json["answers"][0]["label"] == 1
        assert server.end() == 0


def is_ready(server: Any) -> bool:
    """Whether it takes connections; until it has seen that others are closed, it closes new ones."""
    try:
        return bool(server.ask("/v2/health/ready").status == 200)
    except OSError:
        return False


def rests(pid: int) -> bool:
    """Whether a process hardly uses the processors for a second."""
    used = processor_seconds(pid)
    time.sleep(1)
    return processor_seconds(pid) - used < 0.2
