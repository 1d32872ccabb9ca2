"""Calls that are divided over blocks and threads, and calls on buffers that are bound once: the same answers."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from concurrency import call_within, in_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import MODELS

from edge_runtime import InferenceFailed, InvalidInput, InvalidModel, Predictor
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import batch_splitting, feed_runner, placement
from edge_runtime.engine.processor_limits import available_processors

# So much that a few rows are worth a block of their own.
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)

Annotate = Callable[[bytes, str, str], bytes]


@pytest.fixture(params=["four_blobs.onnx", "three_labels.onnx"])
def path(request: pytest.FixtureRequest, tmp_path: Path, with_metadata: Annotate) -> Path:
    path = tmp_path / request.param
    path.write_bytes(with_metadata((MODELS / request.param).read_bytes(), WORKLOAD_KEY, COSTLY.to_json()))
    return path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each block has, of the calls that are divided."""
    counts: list[int] = []
    run_in_batches = batch_splitting.run_in_batches

    def counting(rows: int, workload: Workload, threads: int | None, work: Callable[[int, int], None]) -> None:
        def counted(start: int, stop: int) -> None:
            counts.append(stop - start)
            work(start, stop)

        run_in_batches(rows, workload, threads, counted)

    monkeypatch.setattr(feed_runner, "run_in_batches", counting)
    return counts


def drawn(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, 2)).astype(np.float32)


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
def test_blocks_give_what_rows_give(path: Path, counted: list[int], threads: int | None) -> None:
    whole = Predictor(MODELS / path.name, device="cpu")
    predictor = Predictor(path, device="cpu", threads=threads)
    for count in (8193, 20_000, 100_003):
        rows = drawn(count)
        expected = np.concatenate([whole.predict_proba(rows[start : start + 5000]) for start in range(0, count, 5000)])
        counted.clear()
        np.testing.assert_array_equal(predictor.predict_proba(rows), expected)
        assert sum(counted) == count
    if threads != 1:
        assert len(counted) > 1
    (name,) = (spec.name for spec in whole.outputs)
    found = predictor.run({"x": rows})[name]
    np.testing.assert_array_equal(found, expected if name == "probabilities" else expected[:, 1:])
    counted.clear()
    predictor.run({"x": rows[:20]})
    assert sum(counted) == 20
    counted.clear()
    predictor.run({"x": rows[:19]})
    assert counted == []


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_any_sizes_one_after_the_other(counts: list[int]) -> None:
    """Buffers that were bound for one size say nothing of another."""
    predictor = Predictor(MODELS / "three_labels.onnx", device="cpu")
    for count in counts:
        rows = drawn(count)
        expected = predictor.run({"x": rows})["probabilities"]
        np.testing.assert_allclose(predictor.predict_proba(rows), expected, atol=1e-7)
        for row, probabilities in zip(rows, expected, strict=True):
            np.testing.assert_allclose(predictor.predict_proba(row.tolist()), [probabilities], atol=1e-7)
            label, probability = predictor.predict_one(row.tolist())
            assert label == predictor.classes_[probabilities.argmax()]
            assert probability == pytest.approx(probabilities.max(), abs=1e-7)


def test_results_stay_as_they_are(path: Path) -> None:
    """What is given out is nobody's buffer."""
    predictor = Predictor(path, device="cpu")
    predictor.predict_one([0, 0])
    given_out = [predictor.predict_proba([1, 2]), predictor.predict_proba(drawn(3)), predictor.predict_proba(drawn(3))]
    copies = [result.copy() for result in given_out]
    predictor.predict_proba([-1, -2])
    predictor.predict_proba(-drawn(3))
    for result, copy in zip(given_out, copies, strict=True):
        np.testing.assert_array_equal(result, copy)


def test_rows_that_depend_on_each_other_are_not_divided(
    tmp_path: Path, counted: list[int], with_metadata: Annotate
) -> None:
    dependent = Workload(independent=False, cost=50_000.0, bytes=40)
    unknown = (MODELS / "three_labels.onnx").read_bytes()
    for content in (unknown, with_metadata(unknown, WORKLOAD_KEY, dependent.to_json())):
        predictor = Predictor(content, device="cpu")
        predictor.predict_proba(drawn(50_000))
        predictor.run({"x": drawn(50_000)})
    assert counted == []


def test_large_weights_are_not_loaded_twice(path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_SMALL_FILE", 100)
    predictor = Predictor(path, device="cpu")
    expected = Predictor(MODELS / path.name, device="cpu").predict_proba(drawn(20_000))
    np.testing.assert_array_equal(predictor.predict_proba(drawn(20_000)), expected)
    assert sum(counted) == 20_000
    assert predictor._placement._single is None


@pytest.mark.parametrize(("rows", "threads"), [(9, 1), (10, 1), (1, 3), (100, 3), (7, None)])
def test_every_row_is_done_once(rows: int, threads: int | None) -> None:
    done: list[int] = []
    batch_splitting.run_in_batches(rows, COSTLY, threads, lambda start, stop: done.extend(range(start, stop)))
    assert sorted(done) == list(range(rows))


def test_an_error_in_a_block_is_the_callers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()

    def fail(start: int, stop: int) -> None:
        threads.add(threading.get_ident())
        raise InferenceFailed("no")

    with pytest.raises(InferenceFailed):
        batch_splitting.run_in_batches(10_000, COSTLY, 4, fail)
    # The helpers are still there for the next call.
    assert Predictor(path, device="cpu", threads=4).predict_proba(drawn(9000)).shape[0] == 9000


def test_from_many_threads_at_once(path: Path) -> None:
    predictor = Predictor(path, device="cpu")
    expected = {count: predictor.predict_proba(drawn(count)) for count in (1, 3, 64, 9000)}
    one = predictor.predict_one([0.25, -1.5])
    wrong: list[object] = []

    def use() -> None:
        for _ in range(10):
            wrong.extend(c for c, found in expected.items() if (predictor.predict_proba(drawn(c)) != found).any())
            wrong.extend([0] * (predictor.predict_one([0.25, -1.5]) != one))

    in_threads(use, 8)
    assert wrong == []


def test_idle_threads_do_not_spin(path: Path) -> None:
    predictor = Predictor(path, device="cpu")
    predictor.predict_proba(drawn(100_000))
    predictor.run({"x": drawn(15)})
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.parametrize("end", ["pass", "del predictor"])
def test_an_opened_predictor_survives_a_fork(path: Path, end: str) -> None:
    """Its threads do not: calls must do without them, and so must the end of the session.

    The child ends as those of multiprocessing do: ONNX Runtime 1.32 hangs in exit() after any fork.
    """
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
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read in /proc")
def test_memory_does_not_grow_with_calls_or_sizes(path: Path) -> None:
    predictor = Predictor(path, device="cpu")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def call(sizes: range) -> None:
        for size in sizes:
            predictor.predict_proba(drawn(size))
            predictor.run({"x": drawn(size)})
            predictor.predict_one([size, 1])

    call(range(1, 3000, 7))
    before = resident()
    call(range(2, 3000, 3))
    assert resident() - before < 4 * 2**20


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_threads_must_be_some(threads: int) -> None:
    with pytest.raises(InvalidInput, match="threads must be an integer of at least 1, found"):
        Predictor(MODELS / "four_blobs.onnx", threads=threads)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"schema_version": 1, "independent": 1, "cost": 2, "bytes": 4}',
        '{"schema_version": 1, "independent": true, "cost": 0, "bytes": 4}',
        '{"schema_version": 1, "independent": true, "cost": NaN, "bytes": 4}',
        '{"schema_version": 2, "independent": true, "cost": 2, "bytes": 4}',
    ],
)
def test_a_workload_that_cannot_be_read_is_as_good_as_none(
    text: str, counted: list[int], with_metadata: Annotate
) -> None:
    with pytest.raises(InvalidModel, match="the workload"):
        Workload.from_json(text)
    predictor = Predictor(with_metadata((MODELS / "three_labels.onnx").read_bytes(), WORKLOAD_KEY, text), device="cpu")
    assert predictor.predict_proba(drawn(100_000)).shape == (100_000, 3)
    assert counted == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_is_replaced_does_not_reach_an_open_predictor(path: Path, gone: bool) -> None:
    predictor = Predictor(path, device="cpu")
    expected = predictor.predict_proba(drawn(100))
    path.unlink()
    if not gone:
        path.write_bytes((MODELS / "outputs.onnx").read_bytes())
    rows = np.tile(drawn(100), (200, 1))
    np.testing.assert_array_equal(predictor.predict_proba(rows), np.tile(expected, (200, 1)))


def test_a_call_within_a_call(path: Path) -> None:
    """As a signal handler or a finalizer makes it."""
    predictor = Predictor(path, device="cpu")
    expected = predictor.predict_one([0.5, 1.5])

    predictor.predict_proba([0, 0])
    (buffers,) = predictor.answering._buffers.free
    call_within(buffers, lambda: predictor.predict_one([-1.0, -1.0]))
    assert predictor.predict_one([0.5, 1.5]) == expected


def test_without_helpers_the_caller_does_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    predictor = Predictor(path, device="cpu", threads=4)
    expected = predictor.predict_proba(drawn(20_000))
    monkeypatch.setattr(batch_splitting._pool, "_made", refuse)
    np.testing.assert_array_equal(predictor.predict_proba(drawn(20_000)), expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_after_an_error_no_more_blocks_are_done(threads: int) -> None:
    done: list[int] = []

    def fail(start: int, stop: int) -> None:
        done.append(start)
        time.sleep(0.01)
        raise KeyboardInterrupt if threads == 1 else InferenceFailed("no")

    with pytest.raises((KeyboardInterrupt, InferenceFailed)):
        batch_splitting.run_in_batches(1000, COSTLY, threads, fail)
    assert len(done) <= threads


def test_inputs_of_different_lengths_are_not_divided(
    tmp_path: Path, counted: list[int], with_metadata: Annotate
) -> None:
    content = with_metadata((MODELS / "tensors.onnx").read_bytes(), WORKLOAD_KEY, COSTLY.to_json())
    predictor = Predictor(content, device="cpu")
    assert not predictor._runner._may_split


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "800000 100000", "a/cpu.max": "300000 100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({"cpu/a/cpu.cfs_quota_us": "200000", "cpu/a/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu.max": "rubbish"}, 64),
        ({}, 64),
    ],
)
def test_processors_that_a_control_group_leaves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    from edge_runtime.engine import processor_limits

    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "cgroup").write_text("4:cpu,cpuacct:/a/b\n0::/a/b\n2:memory:/c\n")
    monkeypatch.setattr(processor_limits, "_CGROUPS", tmp_path)
    monkeypatch.setattr(processor_limits, "_OWN", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    available_processors.cache_clear()
    try:
        assert available_processors() == expected
    finally:
        available_processors.cache_clear()
