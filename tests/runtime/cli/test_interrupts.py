"""Ctrl-C ends `edge-predict` also while ONNX Runtime computes for ever."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from concurrency import HANG
from hostile_models import FOLDER, ROWS
from programs import processor_seconds

from edge_runtime.cli import interrupts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how long a process has computed")
def test_a_model_that_loops_for_ever(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.array(ROWS, np.float32))
    command = [sys.executable, "-m", "edge_runtime", str(FOLDER / "endless.onnx")]
    command += ["--input", str(tmp_path / "rows.npz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # It takes less to start.
        while processor_seconds(process.pid) < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=HANG) == (b"", b"")
        assert process.returncode == 130


@pytest.fixture
def handled() -> Iterator[Callable[[Any], object]]:
    """Sets the handler of SIGINT for a test."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_a_program_with_a_handler_of_its_own_keeps_it(handled: Callable[[Any], object]) -> None:
    threads = threading.active_count()
    handled(lambda *_: None)
    interrupts.end_on_ctrl_c()
    assert signal.set_wakeup_fd(-1) == -1
    assert threading.active_count() == threads


def test_without_a_thread_nothing_is_left_open(
    monkeypatch: pytest.MonkeyPatch, handled: Callable[[Any], object]
) -> None:
    handled(signal.default_int_handler)
    opened: list[tuple[int, int]] = []
    pipe = os.pipe

    def kept() -> tuple[int, int]:
        opened.append(pipe())
        return opened[-1]

    monkeypatch.setattr(os, "pipe", kept)

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    interrupts.end_on_ctrl_c()
    assert len(opened) == 1
    for descriptor in opened[0]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    assert signal.set_wakeup_fd(-1) == -1
