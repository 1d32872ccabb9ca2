"""The worker threads of batch splitting."""

import _thread
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from commands import assert_python_runs
from concurrency import HANG
from paths import MODELS

from edge_runtime import Predictor
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import batch_splitting, forks, worker_threads
from edge_runtime.engine.batch_splitting import run_in_batches
from edge_runtime.engine.worker_threads import WorkerThreads

# So much work that a few rows are worth a batch of their own.
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)


@pytest.fixture
def threads() -> WorkerThreads:
    return WorkerThreads()


@pytest.fixture(autouse=True)
def processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_threads, "available_processors", lambda: 3)


def test_each_job_is_done_once(threads: WorkerThreads) -> None:
    together, done = threading.Barrier(2), []

    def work() -> None:
        together.wait(HANG)
        done.append(threading.get_ident())

    for job in threads.submit(work, 2):
        job.wait()
        assert job.problem is None
        assert not job.cancel()
    assert len(set(done)) == 2
    assert threading.get_ident() not in done


def test_what_a_job_raises_is_kept(threads: WorkerThreads) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        (job,) = threads.submit(fail, 1)
        job.wait()
        assert isinstance(job.problem, KeyboardInterrupt)


def test_without_worker_threads_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(work: object, arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(batch_splitting, "_threads", WorkerThreads())
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    threads: set[int] = set()
    run_in_batches(10_000, COSTLY, 4, lambda start, stop: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_a_job_that_has_not_begun_is_cancelled(monkeypatch: pytest.MonkeyPatch, threads: WorkerThreads) -> None:
    """All worker threads are busy: the caller must not wait for them."""
    busy = threading.Event()

    def wait() -> None:
        busy.wait(HANG)

    waiting = threads.submit(wait, 2)
    monkeypatch.setattr(batch_splitting, "_threads", threads)
    done: list[int] = []
    run_in_batches(10_000, COSTLY, 2, lambda start, stop: done.append(stop - start))
    assert sum(done) == 10_000
    busy.set()
    for job in waiting:
        if not job.cancel():
            job.wait()


def test_a_call_in_the_middle_of_another_one_does_not_wait(threads: WorkerThreads) -> None:
    """As a signal handler makes it while threads are started."""
    with threads._starting:
        assert threads.submit(lambda: None, 2) == []
    assert len(threads.submit(lambda: None, 2)) == 2


def test_a_thread_that_has_stopped_the_others_does_not_wait_for_them(
    threads: WorkerThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "_stopping", [threading.get_ident()])
    assert threads.submit(lambda: None, 2) == []


@pytest.mark.skipif(worker_threads._current_processor is None, reason="this platform does not tell the processor")
def test_worker_threads_stay_off_the_callers_processor(monkeypatch: pytest.MonkeyPatch, threads: WorkerThreads) -> None:
    moved: list[tuple[int, set[int]]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1, 2})

    def move(thread: int, processors: set[int]) -> None:
        # Threads of earlier tests may still be at it.
        if (thread or threading.get_native_id()) in pool._ids:
            moved.append((thread, set(processors)))

    monkeypatch.setattr(os, "sched_setaffinity", move)
    monkeypatch.setattr(worker_threads, "_current_processor", lambda: 1)
    pool = threads
    pool.submit(lambda: None, 1)[0].wait()
    # The new thread moves itself, is moved if it has begun by then, or both.
    assert moved
    assert all(processors == {0, 2} for _, processors in moved)
    moved.clear()
    pool.submit(lambda: None, 1)[0].wait()
    assert moved == []
    monkeypatch.setattr(worker_threads, "_current_processor", lambda: 2)
    pool.submit(lambda: None, 1)[0].wait()
    assert moved == [(pool._ids[0], {0, 1})]
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {1, 2})
    pool.submit(lambda: None, 1)[0].wait()
    assert moved[1:] == [(pool._ids[0], {1})]
    # There is nowhere else to go.
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {2})
    moved.clear()
    pool.submit(lambda: None, 1)[0].wait()
    assert moved == []


@pytest.mark.parametrize(("processors", "count"), [(1, 1), (2, 1), (3, 2), (64, 63)])
def test_there_is_a_worker_thread_for_each_other_processor(
    monkeypatch: pytest.MonkeyPatch, threads: WorkerThreads, processors: int, count: int
) -> None:
    monkeypatch.setattr(worker_threads, "available_processors", lambda: processors)
    for _ in range(2):
        assert len(threads.submit(lambda: None, 100)) == count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    script = """
import os, sys
from edge_runtime.engine import batch_splitting
threads = batch_splitting._threads
threads.submit(lambda: None, 1)[0].wait()
child = os.fork()
if not child:
    new = batch_splitting._threads
    assert new is not threads
    new.submit(lambda: None, 1)[0].wait()
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert_python_runs(script)


def test_a_thread_that_must_not_be_moved(monkeypatch: pytest.MonkeyPatch, threads: WorkerThreads) -> None:
    def refuse(thread: int, processors: set[int]) -> None:
        raise OSError

    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1, 2}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    for processor in (1, 2):
        monkeypatch.setattr(worker_threads, "_current_processor", lambda processor=processor: processor)
        (job,) = threads.submit(lambda: None, 1)
        job.wait()
        assert job.problem is None


def test_without_sched_getcpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object) -> Any:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert worker_threads._find_current_processor() is None


def test_idle_threads_do_not_compute(with_metadata: Callable[[bytes, str, str], bytes]) -> None:
    """While this thread does a fixed amount of work, threads that spin would use processors too."""
    content = with_metadata((MODELS / "four_blobs.onnx").read_bytes(), "edge_predict.workload", COSTLY.to_json())
    predictor = Predictor(content, device="cpu")
    rows = [[0.0, 0.0]] * 100_000
    predictor.predict_proba(rows)
    predictor.run({"x": rows[:15]})
    process, own = time.process_time(), time.thread_time()
    while time.thread_time() - own < 0.5:
        pass
    used_here = time.thread_time() - own
    assert time.process_time() - process - used_here < 0.1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no timers that send signals")
def test_a_signal_handler_predicts_on_large_batches(with_metadata: Callable[[bytes, str, str], bytes]) -> None:
    content = with_metadata((MODELS / "three_labels.onnx").read_bytes(), "edge_predict.workload", COSTLY.to_json())
    script = f"""
import signal, time
import numpy as np
from edge_runtime import Predictor
content = {content!r}
predictor = Predictor(content, device="cpu")
rows = np.random.default_rng(0).normal(size=(20_000, 2)).astype(np.float32)
expected, calls = predictor.predict_proba(rows), 0
def handle(number, frame):
    global calls
    calls += 1
    assert (predictor.predict_proba(rows) == expected).all()
    if not calls % 20:
        Predictor(content, device="cpu").predict_proba(rows)
    # Only now, so that it does not interrupt itself for ever on a slow machine.
    signal.setitimer(signal.ITIMER_REAL, 0.002)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.002)
end = time.monotonic() + 3
while time.monotonic() < end or calls < 50:
    assert (predictor.predict_proba(rows) == expected).all()
signal.signal(signal.SIGALRM, signal.SIG_IGN)
"""
    assert_python_runs(script)


IN_THE_MIDDLE = """
import os, signal, sys, time
import numpy as np
from edge_runtime import Predictor
path = MODELS + "/three_labels.onnx"
predictor, other = Predictor(path, device="cpu"), Predictor(MODELS + "/four_blobs.onnx", device="cpu")
rows = np.random.default_rng(0).normal(size=(100_000, 2)).astype(np.float32)
few, name = rows[:64], predictor.inputs[0].name
expected = [predictor.predict_proba(rows), predictor.predict_proba(few), other.predict_one([-1, 1])]
handled = interrupted = depth = rounds = may_interrupt = 0
def check_few():
    assert (predictor.predict_proba(few) == expected[1]).all()
    assert other.predict_one([-1, 1]) == expected[2]
def check_many():
    assert (predictor.predict_proba(rows) == expected[0]).all()
def open_and_close():
    with Predictor(path, device="cpu") as opened:
        opened.run({name: few})
        assert opened.certificate is None and len(opened.classes_) == 3
def handle(number, frame):
    global handled, depth, may_interrupt
    # A handler may interrupt itself.
    if depth > 1:
        return
    depth += 1
    try:
        # What is interrupted goes on for a while after each handler, however slow they are.
        signal.setitimer(signal.ITIMER_REAL, 0.001 if depth == 1 else 0)
        handled += 1
        # Those that interrupt this one count on.
        mine = handled
        check_few()
        (check_many, open_and_close, check_few)[mine % 20 % 3]() if mine % 20 < 3 else None
        if not mine % 100 and may_interrupt:
            may_interrupt = 0
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        depth -= 1
        if not depth:
            signal.setitimer(signal.ITIMER_REAL, 0.002)
def fork():
    child = os.fork()
    if not child:
        check_few()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
# Python prints an interrupt within the callback of a weak reference too.
unraisable = sys.unraisablehook
sys.unraisablehook = lambda found: None if found.exc_type is KeyboardInterrupt else unraisable(found)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001)
end = time.monotonic() + 20
while time.monotonic() < end or handled < 500 or interrupted < 3:
    rounds += 1
    try:
        may_interrupt = 1
        check_many()
        open_and_close()
        # In a fork Python would print it, and go on.
        may_interrupt = 0
    except KeyboardInterrupt:
        interrupted += 1
    if not rounds % 10:
        fork()
signal.signal(signal.SIGALRM, signal.SIG_IGN)
fork()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_signal_handler_calls_in_the_middle_of_everything() -> None:
    """It deadlocked within 18 s; interrupts come too, and forks."""
    assert_python_runs(f"MODELS = {str(MODELS)!r}{IN_THE_MIDDLE}")
