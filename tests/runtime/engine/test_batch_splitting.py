"""Batches of a call, over several threads."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import assert_python_runs
from concurrency import HANG
from paths import MODELS

from edge_runtime import InferenceFailed
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import batch_splitting, worker_threads
from edge_runtime.engine.batch_splitting import run_in_batches
from edge_runtime.engine.worker_threads import Job, WorkerThreads

# So much work that a few rows are worth a batch of their own.
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)


def sizes(rows: int, workload: Workload, threads: int | None) -> list[int]:
    """The sizes of the batches, the largest first."""
    found: list[int] = []
    run_in_batches(rows, workload, threads, lambda start, stop: found.append(stop - start))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("rows", "threads"), [(9, 1), (10, 1), (1, 3), (100, 3), (7, None), (1000, 2), (12_345, 4), (99_999, None)]
)
def test_every_row_is_done_once(rows: int, threads: int | None) -> None:
    done: list[int] = []
    run_in_batches(rows, COSTLY, threads, lambda start, stop: done.extend(range(start, stop)))
    assert sorted(done) == list(range(rows))


@pytest.mark.parametrize(
    ("rows", "cost", "bytes_", "threads", "expected"),
    [
        # Half a megabyte of cache, or 100,000 units of work, whichever is more.
        (16_384, 100.0, 64, 2, 2 * [8192]),
        (65_536, 100.0, 64, 2, 8 * [8192]),
        (1000, 1000.0, 2**20, 2, 10 * [100]),
        # Twice that for four threads, four times for eight.
        (4000, 1000.0, 2**20, 4, 20 * [200]),
        (8000, 1000.0, 2**20, 8, 16 * [500]),
        # With one thread of ours, all of ONNX Runtime's compute a batch: it may be four times as large.
        (65_536, 100.0, 64, 1, 2 * [32_768]),
        (98_304, 100.0, 64, 1, 3 * [32_768]),
        # One batch for each thread at least, as many for all, and all of a size but the last.
        (1_000_000, 1.0, 1, 2, 2 * [500_000]),
        (10_000, 50_000.0, 40, 4, 4 * [2500]),
        (999, 1000.0, 2**20, 8, [*(9 * [100]), 99]),
        (3, 1e6, 40, 8, 3 * [1]),
        (1, 1e9, 40, 8, [1]),
    ],
)
def test_sizes(rows: int, cost: float, bytes_: int, threads: int, expected: list[int]) -> None:
    assert sizes(rows, Workload(True, cost, bytes_), threads) == expected


class RecordingThreads(WorkerThreads):
    """Threads as many as are wanted, whatever the machine has.

    Attributes:
        wanted: how many each call asked for.
        drained: the caller has seen to it that no further batch begins; it only waits for those that have begun.
        jobs: those of the last call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[int] = []
        self.drained = threading.Event()
        self.jobs: list[Job] = []

    def submit(self, work: Callable[[], None], count: int) -> list[Job]:
        self.wanted.append(count)
        self.jobs = super().submit(work, count)
        assert len(self.jobs) == count
        for job in self.jobs:
            cancel = job.cancel

            def cancel_and_tell(cancel: Callable[[], bool] = cancel) -> bool:
                if threading.current_thread() is threading.main_thread():
                    self.drained.set()
                return cancel()

            job.cancel = cancel_and_tell  # type: ignore[method-assign]
        return self.jobs


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> RecordingThreads:
    monkeypatch.setattr(worker_threads, "available_processors", lambda: 9)
    pool = RecordingThreads()
    monkeypatch.setattr(batch_splitting, "_threads", pool)
    return pool


@pytest.mark.parametrize(
    ("rows", "threads", "wanted"),
    [
        # 500,000 units of work are worth a thread; the caller is one of them.
        (9, 4, []),
        (19, 4, []),
        (20, 4, [1]),
        (30, 4, [2]),
        (1000, 4, [3]),
        (1000, 1, []),
        (1000, None, [5]),
    ],
)
def test_how_many_threads(
    pool: RecordingThreads, monkeypatch: pytest.MonkeyPatch, rows: int, threads: int | None, wanted: list[int]
) -> None:
    monkeypatch.setattr(batch_splitting, "available_processors", lambda: 6)
    run_in_batches(rows, COSTLY, threads, lambda start, stop: None)
    assert pool.wanted == wanted


def test_threads_compute_at_the_same_time(pool: RecordingThreads) -> None:
    together = threading.Barrier(3)

    def meet(start: int, stop: int) -> None:
        together.wait(HANG)

    run_in_batches(1000, COSTLY, 3, meet)
    assert pool.wanted == [2]


def test_with_one_thread_nothing_begins_after_an_error(pool: RecordingThreads) -> None:
    done: list[int] = []

    def fail(start: int, stop: int) -> None:
        done.append(start)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_batches(1000, COSTLY, 1, fail)
    assert done == [0]


def test_nothing_begins_after_an_error_in_the_callers_thread(pool: RecordingThreads) -> None:
    done: list[int] = []
    all_have_begun = threading.Barrier(3)

    def fail_here(start: int, stop: int) -> None:
        done.append(start)
        all_have_begun.wait(HANG)
        if threading.current_thread() is threading.main_thread():
            raise InferenceFailed("no")
        assert pool.drained.wait(HANG)

    with pytest.raises(InferenceFailed, match="no"):
        run_in_batches(3000, COSTLY, 3, fail_here)
    assert len(done) == 3


def test_nothing_begins_after_an_error_in_another_thread(pool: RecordingThreads) -> None:
    done: list[int] = []
    both_have_begun = threading.Barrier(2)

    def fail_there(start: int, stop: int) -> None:
        done.append(start)
        if len(done) <= 2:
            both_have_begun.wait(HANG)
        if threading.current_thread() is not threading.main_thread():
            raise InferenceFailed("no")
        # The worker thread has ended its work, and with it what it raised.
        pool.jobs[0].wait()

    with pytest.raises(InferenceFailed, match="no"):
        run_in_batches(3000, COSTLY, 2, fail_there)
    assert len(done) == 2


def test_the_threads_stay_for_the_next_call() -> None:
    def fail(start: int, stop: int) -> None:
        raise InferenceFailed("no")

    for _ in range(3):
        with pytest.raises(InferenceFailed):
            run_in_batches(10_000, COSTLY, 4, fail)
    assert sum(sizes(10_000, COSTLY, 4)) == 10_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.parametrize("end", ["pass", "del predictor"])
def test_an_opened_predictor_survives_a_fork(tmp_path: Path, end: str, with_metadata: Callable[..., bytes]) -> None:
    """Its threads do not, and calls must do without them.

    The child ends as those of multiprocessing do: ONNX Runtime 1.32 hangs in exit() after any fork.
    """
    path = tmp_path / "model.onnx"
    content = (MODELS / "three_labels.onnx").read_bytes()
    path.write_bytes(with_metadata(content, "edge_predict.workload", COSTLY.to_json()))
    script = f"""
import os, sys
import numpy as np
from edge_runtime import Predictor
predictor = Predictor({str(path)!r}, device="cpu")
rows = np.random.default_rng(0).normal(size=(200_000, 2)).astype(np.float32)
before, one = predictor.predict_proba(rows), predictor.predict_one([-1, 1])
child = os.fork()
if not child:
    assert (predictor.predict_proba(rows) == before).all() and predictor.predict_one([-1, 1]) == one
    {end}
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert_python_runs(script)
