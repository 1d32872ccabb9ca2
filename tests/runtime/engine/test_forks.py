"""Forks beside calls and openings on other threads."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from commands import assert_python_runs
from concurrency import HANG
from paths import FOUR_BLOBS, MODELS

from edge_runtime import Predictor
from edge_runtime.engine import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


def in_child(check: str, before: str = "") -> None:
    """Run `check` in a forked child of a process that has run `before`."""
    assert_python_runs(f"""
import _thread, atexit, os, signal, sys, threading, time
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
assert status == 0, status
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


def test_a_session_is_shared_although_other_threads_go_on_predicting() -> None:
    in_child(
        "assert predictor.predict_one([-1, 1]) == one\nassert predictor._runner.placement.main._session is session",
        f"""
predictor, forks._PATIENCE = Predictor(PATH, device="cpu"), {HANG}
one = predictor.predict_one([-1, 1])
session = predictor._runner.placement.main._session
def forever(call, *arguments):
    while True:
        call(*arguments)
for call, argument in ((predictor.predict_one, [-1, 1]), (predictor.predict, np.zeros((64, 2)))):
    _thread.start_new_thread(forever, (call, argument))
""",
    )


# A call that does not end while the fork waits.
LONG_CALL = """
forks._PATIENCE = 0.05
class Model:
    def run(self):
        begun.set()
        time.sleep(60)
forks.makes_calls(Model, "run")
begun = threading.Event()
_thread.start_new_thread(Model().run, ())
begun.wait()
"""


def test_a_session_is_opened_again_if_another_thread_is_in_a_long_call() -> None:
    in_child(
        """
assert predictor.predict_one([-1, 1]) == one
assert predictor._runner.placement.main._session is not session
assert (predictor.predict_proba(rows) == expected).all()
assert (predictor.run({"x": rows})["probability"][:, 0] == expected[:, 1]).all()
assert predictor.verify().passed
""",
        f"""
predictor = Predictor(PATH, device="cpu")
rows = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
one, expected = predictor.predict_one([-1, 1]), predictor.predict_proba(rows)
session = predictor._runner.placement.main._session
{LONG_CALL}
""",
    )


def test_stacks_are_not_read_without_the_interpreters_lock() -> None:
    in_child(
        "assert predictor.predict_one([-1, 1]).label == 1\n"
        "assert predictor._runner.placement.main._session is not session",
        """
predictor = Predictor(PATH, device="cpu")
session = predictor._runner.placement.main._session
forks._PATIENCE = 0
sys._is_gil_enabled = lambda: False
ThreadPoolExecutor(1).submit(int).result()
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
        f"""
import pathlib, shutil, tempfile, edge_runtime.engine.model_files as model_files
model_files.HELD_SIZE = 0
path = pathlib.Path(shutil.copy(PATH, tempfile.mkdtemp()))
predictor = Predictor(path, device="cpu")
path.write_bytes(b"another one")
{LONG_CALL}
""",
    )


@pytest.mark.slow
def test_no_child_hangs_while_other_threads_predict_and_open_models() -> None:
    path = MODELS / "three_labels.onnx"
    assert_python_runs(f"""
import _thread, collections, os, signal, sys
import numpy as np
from edge_runtime import Predictor
predictors = [Predictor({str(FOUR_BLOBS)!r}, device="cpu"), Predictor({str(path)!r}, device="cpu")]
rows = np.random.default_rng(0).normal(size=(100_000, 2)).astype(np.float32)
expected = [predictor.predict_proba(rows) for predictor in predictors]
results = collections.deque(maxlen=100)
def forever(work):
    def repeat():
        while True:
            work()
    _thread.start_new_thread(repeat, ())
for predictor in predictors:
    forever(lambda: predictor.predict_one([-1, 1]))
    forever(lambda: predictor.predict_proba(rows))
    # Results are in ONNX Runtime's memory, and the child frees some that it has inherited.
    forever(lambda: results.append(predictors[1].run({{"x": rows[:1000]}})))
forever(lambda: Predictor({str(path)!r}, device="cpu"))
for number in range(40):
    child = os.fork()
    if not child:
        signal.alarm({HANG})
        results.clear()
        for predictor, answers in zip(predictors, expected):
            predictor.predict_one([-1, 1])
            assert (predictor.predict_proba(rows) == answers).all()
        Predictor({str(path)!r}, device="cpu").predict_one([-1, 1])
        sys.exit()
    _, status = os.waitpid(child, 0)
    assert status == 0, (number, status)
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
        forks._before_fork()
        order.append("forked")
        # What begins now waits, and what this thread opens itself does not.
        with forks.opening():
            order.append("opened here")
        forks._stopping.clear()

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


def test_a_fork_does_not_wait_for_an_opening_that_waits_for_its_thread() -> None:
    """A signal handler may fork while its thread opens a model, or reloads one that another thread reloads too."""
    in_child(
        """
# Nor does the next fork wait for the opening of a thread that is not here.
if again := os.fork():
    assert os.waitpid(again, 0)[1] == 0
""",
        """
forks._PATIENCE = 0.05
predictor = Predictor(PATH)
predictor._changing.acquire()
atexit.register(predictor._changing.release)
(held := forks.opening()).__enter__()
_thread.start_new_thread(predictor.close, ())
while len(forks._openings) < 2: time.sleep(0.001)
""",
    )


def test_an_opening_that_makes_calls_does_not_wait_for_the_fork_that_waits_for_it() -> None:
    begun, predictor = threading.Event(), Predictor(FOUR_BLOBS, device="cpu")

    def open_and_verify() -> bool:
        with forks.opening():
            begun.set()
            while not forks._stopping:
                time.sleep(0.001)
            return predictor.verify().passed

    with ThreadPoolExecutor(2) as threads:
        # What makes calls is still replaced since an earlier fork.
        threads.submit(forks._before_fork).result(HANG)
        forks._stopping.clear()
        verified = threads.submit(open_and_verify)
        assert begun.wait(HANG)
        forks._before_fork()
        forks._stopping.clear()
        assert verified.result(HANG)


def test_a_fork_waits_until_onnx_runtime_is_imported() -> None:
    """A forked process waits for ever if it imports what another thread has begun to import."""
    assert_python_runs(f"""
import _thread, os, signal, sys, time
from edge_runtime import Predictor
_thread.start_new_thread(Predictor, ({str(FOUR_BLOBS)!r},))
while "onnxruntime" not in sys.modules:
    time.sleep(0.001)
child = os.fork()
if not child:
    signal.alarm({HANG})
    assert Predictor({str(FOUR_BLOBS)!r}).predict_one([-1, 1]).label == 1
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
""")


def test_hooks_of_the_program_may_predict_during_a_fork() -> None:
    """Those that run before calls of other threads may go on must not wait for them."""
    assert_python_runs(f"""
import os, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
rows, calls = np.zeros((3_000_000, 2), np.float32), []
def call():
    predictor.predict_proba(rows)
    predictor.predict_one([-1, 1])
    Predictor({str(FOUR_BLOBS)!r}, device="cpu")
    calls.append(os.getpid())
os.register_at_fork(before=call, after_in_parent=call, after_in_child=call)
from edge_runtime import Predictor
predictor = Predictor({str(FOUR_BLOBS)!r}, device="cpu")
os.register_at_fork(before=call, after_in_parent=call, after_in_child=call)
ThreadPoolExecutor(1).submit(int).result()
child = os.fork()
if not child:
    sys.exit(len(calls) - 4)
assert os.waitpid(child, 0)[1] == 0
assert len(calls) == 4
""")


@pytest.mark.parametrize("work", ["predict_one([-1, 1])", "predict_proba(rows[:64])", "predict_proba(rows)", "open()"])
def test_the_end_of_the_interpreter_meets_no_call_of_another_thread(work: str) -> None:
    """It aborted the process: threads of programs with cameras or windows predict until the end."""
    assert_python_runs(f"""
import _thread, atexit, threading
import numpy as np
def at_the_end():
    predictor.predict_one([-1, 1])
    predictor.predict_proba(rows)
atexit.register(at_the_end)
from edge_runtime import Predictor
predictor = Predictor({str(FOUR_BLOBS)!r}, device="cpu")
rows = np.zeros((200_000, 2), np.float32)
def open():
    Predictor({str(FOUR_BLOBS)!r}, device="cpu")
predictor.open = open
begun = threading.Event()
def forever():
    while True:
        predictor.{work}
        begun.set()
for _ in range(2):
    _thread.start_new_thread(forever, ())
begun.wait()
""")
