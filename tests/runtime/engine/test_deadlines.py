"""A call ends at its deadline, and leaves the model, other calls and forked processes as they were."""

import os
import pickle
import signal
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pytest
from commands import assert_python_runs
from concurrency import HANG, in_threads
from looping import FOR_EVER, ROW, looping
from paths import FOUR_BLOBS

from edge_runtime import DeadlineExceeded, EdgePredictError, InferenceFailed, Limits, Predictor
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import deadlines

SECONDS = 0.2
LIMITS = Limits(call_seconds=SECONDS)
MANY = 20_000
SPLIT = Workload(independent=True, cost=1000.0, bytes=40)
Answer = TypeVar("Answer")


def runs(script: str) -> None:
    assert_python_runs(textwrap.dedent(script))


@contextmanager
def late() -> Iterator[None]:
    """What is in here takes longer than its deadline, and ends at it."""
    begin = time.monotonic()
    with pytest.raises(DeadlineExceeded) as raised:
        yield
    assert time.monotonic() - begin >= SECONDS
    assert str(raised.value).startswith("the model was still computing after 0.2 seconds; ")
    assert "Limits(call_seconds=...)" in str(raised.value)


def in_time(call: Callable[[], Answer]) -> Answer:
    """The answer of a call that takes no time itself, however often a busy machine makes it late."""
    end = time.monotonic() + HANG
    while True:
        try:
            return call()
        except DeadlineExceeded:
            if time.monotonic() > end:
                raise


CALLS: dict[str, Callable[[Predictor, list[float]], Any]] = {
    "predict": lambda model, row: model.predict([row]).tolist(),
    "predict of many rows": lambda model, row: model.predict(np.array([row] * MANY, np.float32)).tolist(),
    "predict_proba": lambda model, row: model.predict_proba([row, row]).tolist(),
    "predict_one": lambda model, row: model.predict_one(row),
    "predict_one of a dict": lambda model, row: model.predict_one({"a": row[0], "b": row[1]}),
    "run": lambda model, row: model.run({"x": [row]})["probability"].tolist(),
    "run of an array": lambda model, row: model.run({"x": np.array([row], np.float32)})["probability"].tolist(),
    "score": lambda model, row: model.score([row], ["yes"]),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("workload", [None, SPLIT], ids=["whole", "split"])
def test_a_call_ends_at_its_deadline(name: str, workload: Workload | None) -> None:
    call, content = CALLS[name], looping(workload=workload)
    with Predictor(content, device="cpu") as usual:
        expected = call(usual, ROW)
    with Predictor(content, device="cpu", limits=LIMITS) as model:
        assert in_time(lambda: call(model, ROW)) == expected
        for _ in range(2):
            with late():
                call(model, FOR_EVER)
            assert in_time(lambda: call(model, ROW)) == expected


@pytest.mark.parametrize("labels", [(), ("a", "b", "c")])
def test_other_tasks(labels: tuple[str, ...]) -> None:
    model = Predictor(looping(labels), device="cpu", limits=LIMITS)

    def answers() -> tuple[Any, Any]:
        return in_time(lambda: model.predict_one(ROW)), in_time(lambda: model.predict([ROW]).tolist())

    before = answers()
    for call in (model.predict_one, model.predict):
        with late():
            call(FOR_EVER)
    assert answers() == before


def test_the_error_is_a_timeout_and_a_failure() -> None:
    for kind in (TimeoutError, InferenceFailed, EdgePredictError):
        with pytest.raises(kind):
            Predictor(looping(), device="cpu", limits=LIMITS).predict_one(FOR_EVER)


def test_all_batches_of_a_call_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([FOR_EVER] * 40_000, np.float32)
    model = Predictor(looping(workload=SPLIT), device="cpu", threads=2, limits=LIMITS)
    begun: list[float] = []
    deadline = deadlines.Deadline

    def counted(seconds: float) -> deadlines.Deadline:
        begun.append(seconds)
        return deadline(seconds)

    monkeypatch.setattr("edge_runtime.engine.session.Deadline", counted)
    with late():
        model.predict(rows)
    assert begun == [SECONDS]


def test_calls_of_other_threads_go_on() -> None:
    model = Predictor(looping(), device="cpu", limits=LIMITS)
    expected = in_time(lambda: model.predict_one(ROW))
    who_is_late, done = [True, False, False, False], threading.Event()

    def work() -> None:
        # One thread is late again and again, the others are not.
        if who_is_late.pop():
            for _ in range(5):
                with late():
                    model.predict_one(FOR_EVER)
            done.set()
        while not done.is_set():
            assert in_time(lambda: model.predict_one(ROW)) == expected
            assert in_time(lambda: model.predict([ROW, ROW]).tolist()) == [expected.label] * 2

    in_threads(work, 4)


def test_a_later_call_with_an_earlier_deadline() -> None:
    slow = Predictor(looping(), device="cpu", limits=Limits(call_seconds=10 * HANG))
    quick = Predictor(looping(), device="cpu", limits=LIMITS)
    # The thread that ends calls sleeps for very long now.
    slow.predict_one(ROW)
    with late():
        quick.predict_one(FOR_EVER)


def test_what_carries_the_limit(tmp_path: Any) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(looping())
    model = Predictor(path, device="cpu", limits=LIMITS)
    path.write_bytes(looping(("off", "on")))
    assert model.reload()
    for one in (model, pickle.loads(pickle.dumps(model)), model.current()):
        with late():
            one.predict_one(FOR_EVER)
        assert in_time(partial(one.predict_one, ROW)).label in ("off", "on")


def test_verification_ends_at_the_first_late_batch(monkeypatch: pytest.MonkeyPatch, certified: Any) -> None:
    model = Predictor(certified(), device="cpu", limits=Limits(call_seconds=HANG))
    begun: list[None] = []

    def run(*_: Any) -> Any:
        begun.append(None)
        raise deadlines.Deadline(SECONDS).exceeded()

    assert model.verify().passed
    monkeypatch.setattr(model._runner.placement.main, "_run", run)
    with pytest.raises(DeadlineExceeded):
        model.verify()
    assert len(begun) == 1


def test_no_thread_without_a_deadline() -> None:
    runs(
        f"""
        import sys, time
        from edge_runtime import Limits, Predictor

        model = Predictor({str(FOUR_BLOBS)!r}, threads=1)
        model.predict_one([-1, 1])
        assert len(sys._current_frames()) == 1
        model = Predictor({str(FOUR_BLOBS)!r}, threads=1, limits=Limits(call_seconds={10 * HANG}))
        for _ in range(3):
            model.predict_one([-1, 1])
            model.predict([[-1, 1]] * 3)
        end = time.monotonic() + {HANG}
        while len(sys._current_frames()) < 2 and time.monotonic() < end:
            time.sleep(0.001)
        assert len(sys._current_frames()) == 2
        """
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_thread_of_its_own(tmp_path: Any) -> None:
    (tmp_path / "model.onnx").write_bytes(looping())
    runs(
        f"""
        import os, warnings
        from edge_runtime import DeadlineExceeded, Limits, Predictor

        warnings.simplefilter("ignore")
        model = Predictor({str(tmp_path / "model.onnx")!r}, threads=1, limits=Limits(call_seconds=0.2))
        expected = Predictor({str(tmp_path / "model.onnx")!r}).predict_one({ROW})

        def check():
            for _ in range(2):
                try:
                    model.predict_one({FOR_EVER})
                except DeadlineExceeded:
                    pass
                else:
                    raise AssertionError
            # However often a busy machine makes it late.
            while True:
                try:
                    assert model.predict_one({ROW}) == expected
                    break
                except DeadlineExceeded:
                    pass

        check()
        child = os.fork()
        if not child:
            check()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        check()
        """
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_may_make_a_call_in_the_middle_of_one() -> None:
    model = Predictor(looping(), device="cpu", limits=Limits(call_seconds=HANG))
    expected = model.predict_one(ROW)
    found = []

    def handle(*_: object) -> None:
        found.append(model.predict_one(ROW))
        # Only now, so that it does not interrupt itself for ever on a slow machine.
        signal.setitimer(signal.ITIMER_REAL, 0.0005)

    former = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        while len(found) < 500:
            assert model.predict_one(ROW) == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert all(one == expected for one in found)


def test_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(deadlines, "_watch", deadlines._Watch())
    monkeypatch.setattr("_thread.start_new_thread", none)
    model = Predictor(looping(), device="cpu", limits=LIMITS)
    with pytest.raises(InferenceFailed, match="a call with a deadline needs one more thread: can't start new thread"):
        model.predict_one(ROW)
    monkeypatch.undo()
    assert model.predict_one(ROW)
