"""What a process shows is whole, whenever it is looked at and whenever the process was killed."""

import os
import signal

import pytest
from fuzzing.board import Board

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def test_numbers_are_whole_at_any_moment() -> None:
    board = Board()
    if not (pid := os.fork()):
        while True:
            board.begin(b"1234")
            board.rest()
    try:
        while not board.count:
            pass
        counts = [board.count for _ in range(100_000)]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert counts == sorted(counts)
    assert counts[0] > 0
    assert board.count >= counts[-1]
    assert board.data == b"1234"
