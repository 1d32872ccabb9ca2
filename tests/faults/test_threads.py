"""Threads that cannot be started: calls do without, and a server says so before it takes a request."""

import signal
import subprocess
import sys

import pytest
from limited import command, for_each, limited, nameless
from paths import FOUR_BLOBS, MODELS
from servers import Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")

LIBRARY = f"""
import numpy as np, os
from edge_runtime import Predictor
for name in ("four_blobs", "three_labels"):
    predictor = Predictor({str(MODELS)!r} + f"/{{name}}.onnx", threads=4)
    print((predictor.predict_proba(np.linspace(-2, 2, 2_000_000).reshape(-1, 2)) > 0.5).sum(0))
"""


def test_calls_need_none() -> None:
    program = [sys.executable, "-c", LIBRARY]
    right = limited(program).out
    for_each([1, 2, 3], lambda most: limited(nameless(program, most)).assert_right_or_one_line(right))
    assert limited(nameless(program, 1)).out == right


def test_the_command_needs_none() -> None:
    row = [*command("edge-predict"), FOUR_BLOBS, -1, 1]
    ended = limited(nameless(row, 1))
    assert (ended.code, ended.err, ended.out) == (0, "", limited(row).out)


def test_a_server_without_threads_says_so() -> None:
    pytest.importorskip("uvicorn")
    ended = limited(nameless([*command("edge-serve"), FOUR_BLOBS, "--port", 0], 2))
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "allow it more processes (ulimit -u)" in ended.err


def test_a_server_with_just_enough() -> None:
    pytest.importorskip("uvicorn")

    class Limited(Server):
        def __init__(self) -> None:
            words = nameless([*command("edge-serve"), FOUR_BLOBS, "--port", 0], 8)
            self.process = subprocess.Popen(
                list(map(str, words)), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self.notes = []
            self.url = self.line(r"(http://\S+)")[1]

    server = Limited()
    many = "x1,x2\n" + "-1,1\n" * 20_000
    for body, rows in (("[-1, 1]", 1), (many, 20_000)):
        answer = server.ask("/models/four_blobs/predict", body)
        assert answer.status == 200
        assert [one["label"] for one in answer.json["answers"]] == [1] * rows
    assert server.end(signal.SIGTERM) == 0
    assert server.notes == [f"serving four_blobs on {server.url}\n"]
