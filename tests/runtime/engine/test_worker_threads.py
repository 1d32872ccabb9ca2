"""The worker threads of batch splitting."""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from commands import assert_python_runs
from paths import MODELS

from edge_runtime import Predictor
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import batch_splitting
from edge_runtime.engine.batch_splitting import run_in_batches

# So much work that a few rows are worth a batch of their own.
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)
HANG = 60


@pytest.mark.parametrize("problem", ["cannot schedule new futures after shutdown", "can't start new thread"])
def test_without_worker_threads_the_caller_does_all(monkeypatch: pytest.MonkeyPatch, problem: str) -> None:
    def refuse() -> Any:
        raise RuntimeError(problem)

    monkeypatch.setattr(batch_splitting._pool, "_made", refuse)
    threads: set[int] = set()
    run_in_batches(10_000, COSTLY, 4, lambda start, stop: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_a_call_that_has_not_begun_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """All worker threads are busy: the caller must not wait for them."""
    busy = threading.Event()
    executor = ThreadPoolExecutor(1)
    waiting = executor.submit(busy.wait, HANG)
    pool = batch_splitting._ThreadPool()
    monkeypatch.setattr(pool, "_made", lambda: executor)
    monkeypatch.setattr(batch_splitting, "_pool", pool)
    done: list[int] = []
    run_in_batches(10_000, COSTLY, 2, lambda start, stop: done.append(stop - start))
    assert sum(done) == 10_000
    assert not waiting.done()
    busy.set()
    assert waiting.result(HANG)


@pytest.mark.skipif(batch_splitting._current_processor is None, reason="this platform does not tell the processor")
def test_worker_threads_stay_off_the_callers_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[int, set[int]]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1, 2})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, processors: moved.append((thread, set(processors))))
    monkeypatch.setattr(batch_splitting, "_current_processor", lambda: 1)
    pool = batch_splitting._ThreadPool()
    first = pool.submit(lambda: None, 1)
    first[0].result(HANG)
    # The new thread moves itself.
    assert moved == [(0, {0, 2})]
    moved.clear()
    pool.submit(lambda: None, 1)[0].result(HANG)
    assert moved == []
    monkeypatch.setattr(batch_splitting, "_current_processor", lambda: 2)
    pool.submit(lambda: None, 1)[0].result(HANG)
    assert moved == [(pool._threads[0], {0, 1})]
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {1, 2})
    pool.submit(lambda: None, 1)[0].result(HANG)
    assert moved[1:] == [(pool._threads[0], {1})]
    # There is nowhere else to go.
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {2})
    moved.clear()
    pool.submit(lambda: None, 1)[0].result(HANG)
    assert moved == []


@pytest.mark.parametrize(("processors", "threads"), [(1, 1), (2, 1), (3, 2), (64, 63)])
def test_there_is_a_worker_thread_for_each_other_processor(
    monkeypatch: pytest.MonkeyPatch, processors: int, threads: int
) -> None:
    monkeypatch.setattr(batch_splitting, "available_processors", lambda: processors)
    pool = batch_splitting._ThreadPool()
    executor = pool._made()
    assert executor._max_workers == threads
    assert pool._made() is executor


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    script = """
import os, sys
from edge_runtime.engine import batch_splitting
pool = batch_splitting._pool
pool.submit(lambda: None, 1)[0].result(60)
child = os.fork()
if not child:
    new = batch_splitting._pool
    assert new is not pool and new._executor is None
    new.submit(lambda: None, 1)[0].result(60)
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert_python_runs(script)


def test_a_thread_that_must_not_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: int, processors: set[int]) -> None:
        raise OSError

    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1, 2}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    pool = batch_splitting._ThreadPool()
    for processor in (1, 2):
        monkeypatch.setattr(batch_splitting, "_current_processor", lambda processor=processor: processor)
        assert pool.submit(lambda: None, 1)[0].result(HANG) is None


def test_without_sched_getcpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object) -> Any:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert batch_splitting._find_current_processor() is None


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
