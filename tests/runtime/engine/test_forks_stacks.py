"""The stacks of the threads, which a fork reads."""

import os

import pytest
from commands import assert_python_runs
from concurrency import HANG

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


def test_garbage_is_not_collected_while_the_stacks_are_read() -> None:
    """To free a `threading.local`, Python waited for a lock that it held itself."""
    assert_python_runs(f"""
import _thread, gc, signal, threading, time
from edge_runtime.engine import forks
signal.alarm({HANG})
for _ in range(20):
    _thread.start_new_thread(time.sleep, ({HANG},))
for _ in range(50):
    garbage = [threading.local()]
    garbage.append(garbage)
    garbage[0].held = 1
    del garbage
    gc.set_threshold(1)
    forks._stacks()
    gc.set_threshold(700)
assert gc.isenabled()
""")
