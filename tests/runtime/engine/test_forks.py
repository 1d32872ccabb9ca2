"""Forks beside calls and openings on other threads."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from commands import assert_python_runs
from concurrency import HANG
from paths import FOUR_BLOBS, MODELS

from edge_runtime.engine import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


def in_child(check: str, before: str = "") -> None:
    """Run `check` in a forked child of a process that has run `before`."""
    assert_python_runs(f"""
import _thread, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from edge_runtime import *
from edge_runtime.engine import forks
PATH = {str(FOUR_BLOBS)!r}
{before}
child = os.fork()
if not child:
    signal.alarm({HANG})
{"".join(f"    {line}" for line in check.splitlines(keepends=True))}
    sys.exit()
_, status = os.waitpid(child, 0)
code = os.waitstatus_to_exitcode(status)
# Threads that compute must not be met by the end of the interpreter.
os._exit(code if code >= 0 else 1)
""")


def test_a_child_ends() -> None:
    """It hung in exit(), or was aborted, for a thread of ONNX Runtime that it does not have."""
    in_child("assert predictor.predict_one([-1, 1]).label == 1", "predictor = Predictor(PATH)")


def test_a_session_is_shared_if_no_other_thread_has_made_calls() -> None:
    in_child(
        "assert predictor.predict_one([-1, 1]) == one\nassert predictor._runner.placement.main._session is session",
        """
predictor = Predictor(PATH, device="cpu")
one = predictor.predict_one([-1, 1])
session = predictor._runner.placement.main._session
# A thread that does other things, one that has ended, and the worker threads, which do nothing now.
_thread.start_new_thread(time.sleep, (60,))
with ThreadPoolExecutor(1) as ended:
    ended.submit(predictor.predict_one, [-1, 1]).result()
predictor.predict_proba(np.zeros((3_000_000, 2), np.float32))
""",
    )


def test_a_session_is_opened_again_if_another_thread_may_be_in_a_call() -> None:
    in_child(
        """
assert predictor.predict_one([-1, 1]) == one
assert predictor._runner.placement.main._session is not session
assert (predictor.predict_proba(rows) == expected).all()
assert (predictor.run({"x": rows})["probability"][:, 0] == expected[:, 1]).all()
assert predictor.verify().passed
""",
        """
predictor = Predictor(PATH, device="cpu")
rows = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
one, expected = predictor.predict_one([-1, 1]), predictor.predict_proba(rows)
session = predictor._runner.placement.main._session
called = threading.Event()
def call():
    predictor._runner.placement.turns.current.pop()
    called.set()
    time.sleep(60)
_thread.start_new_thread(call, ())
called.wait()
""",
    )


def test_a_file_that_has_changed_is_not_opened_in_its_place() -> None:
    in_child(
        """
for call in (lambda: predictor.predict_one([-1, 1]), lambda: predictor.run({"x": [[-1, 1]]})):
    try:
        call()
    except InferenceFailed as error:
        assert "was changed after it was opened" in str(error), error
    else:
        raise AssertionError
""",
        """
import pathlib, shutil, tempfile
path = pathlib.Path(tempfile.mkdtemp(), "model.onnx")
shutil.copy(PATH, path)
predictor = Predictor(path, device="cpu")
forks._callers.add(1)
sys._current_frames = lambda: {1: None}
path.write_bytes(b"another one")
""",
    )


@pytest.mark.slow
def test_no_child_hangs_while_other_threads_predict_and_open_models() -> None:
    path = MODELS / "three_labels.onnx"
    assert_python_runs(f"""
import _thread, os, signal, sys
import numpy as np
from edge_runtime import Predictor
predictors = [Predictor({str(FOUR_BLOBS)!r}, device="cpu"), Predictor({str(path)!r}, device="cpu")]
rows = np.random.default_rng(0).normal(size=(200_000, 2)).astype(np.float32)
expected = [predictor.predict_proba(rows) for predictor in predictors]
def forever(work):
    def repeat():
        while True:
            work()
    _thread.start_new_thread(repeat, ())
for predictor in predictors:
    forever(lambda: predictor.predict_one([-1, 1]))
    forever(lambda: predictor.predict_proba(rows))
forever(lambda: Predictor({str(path)!r}, device="cpu"))
for number in range(100):
    child = os.fork()
    if not child:
        signal.alarm({HANG})
        for predictor, answers in zip(predictors, expected):
            predictor.predict_one([-1, 1])
            assert (predictor.predict_proba(rows) == answers).all()
        Predictor({str(path)!r}, device="cpu").predict_one([-1, 1])
        sys.exit()
    _, status = os.waitpid(child, 0)
    assert status == 0, (number, status)
# Threads that compute must not be met by the end of the interpreter.
os._exit(0)
""")


def test_a_fork_waits_until_a_model_is_opened() -> None:
    begun, go_on, order = threading.Event(), threading.Event(), []

    def open_slowly() -> None:
        with forks.opening():
            begun.set()
            go_on.wait(HANG)
            order.append("opened")

    def fork() -> None:
        assert begun.wait(HANG)
        forks._before()
        order.append("forked")
        # What begins now waits, and what this thread opens itself does not.
        with forks.opening():
            order.append("opened here")
        forks._in_parent()

    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(open_slowly), threads.submit(fork)]
        assert begun.wait(HANG)
        # Long enough for a fork that does not wait.
        time.sleep(0.05)
        assert order == []
        go_on.set()
        for call in calls:
            call.result(HANG)
    assert order == ["opened", "forked", "opened here"]
    assert not forks._openings
