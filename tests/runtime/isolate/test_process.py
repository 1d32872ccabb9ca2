"""The isolated process: whatever happens in it is one typed error, in bounded time, and nothing of it is left."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from commands import assert_python_runs
from concurrency import HANG, in_threads
from confined import process_of
from hostile_models import FOLDER, HOSTILE, LIMITS, ROWS, SOON, Hostile
from paths import FOUR_BLOBS
from servers import until

from edge_runtime import InferenceFailed, IsolatedPredictor, IsolationFailed, Limits, OutOfResources
from edge_runtime.isolate import messages, process

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems"),
    pytest.mark.usefixtures("nothing_is_left"),
]


@contextlib.contextmanager
def endless() -> Iterator[IsolatedPredictor]:
    """A model that never answers: it may take as long as it likes to open, and a call is soon too late."""
    with IsolatedPredictor(FOLDER / "endless.onnx", limits=LIMITS) as predictor:
        session: Any = predictor._isolated.isolated
        session._settings = dataclasses.replace(session._settings, limits=SOON)
        yield predictor


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.name)
def test_hostile_models(hostile: Hostile) -> None:
    with (
        pytest.raises(IsolationFailed) as found,
        IsolatedPredictor(FOLDER / f"{hostile.name}.onnx", limits=hostile.limits) as predictor,
    ):
        predictor.run({"x": ROWS})
    assert any(said in str(found.value) for said in hostile.said)
    assert isinstance(found.value, InferenceFailed)
    with IsolatedPredictor(FOUR_BLOBS) as next_one:
        assert next_one.predict([[-1, 1]]).tolist() == [1]


def test_all_later_calls_raise_the_same() -> None:
    with endless() as predictor:
        messages = set()
        for _ in range(3):
            with pytest.raises(IsolationFailed, match="--limit isolated_seconds=") as found:
                predictor.run({"x": ROWS})
            messages.add(str(found.value))
        assert len(messages) == 1


def test_a_call_for_which_there_is_no_memory_does_not_end_the_model() -> None:
    with IsolatedPredictor(FOLDER / "huge.onnx", limits=LIMITS) as predictor:
        for _ in range(2):
            with pytest.raises(IsolationFailed, match="--limit isolated_bytes="):
                predictor.run({"x": ROWS})
        assert process_of(predictor).poll() is None


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGSEGV, "crashed (SIGSEGV)"),
        (signal.SIGABRT, "crashed (SIGABRT), perhaps for want of memory"),
        (signal.SIGKILL, "crashed (SIGKILL), perhaps for want of memory"),
        (signal.SIGTERM, "crashed (SIGTERM)"),
        (signal.SIGALRM, "took longer than 30 s"),
    ],
)
def test_signals(number: signal.Signals, said: str) -> None:
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        os.kill(process_of(predictor).pid, number)
        for _ in range(2):
            with pytest.raises(IsolationFailed) as found:
                predictor.predict_one([1, 1])
            assert said in str(found.value)


def test_a_program_that_ends_by_a_closed_pipe() -> None:
    assert_python_runs(
        f"""
import os, signal
from edge_runtime import IsolatedPredictor, IsolationFailed
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
predictor = IsolatedPredictor({str(FOUR_BLOBS)!r})
process = predictor._runner.placement.isolated._process._process
process.kill()
os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
try:
    predictor.predict([[1, 1]])
except IsolationFailed as error:
    assert "SIGKILL" in str(error), error
else:
    raise AssertionError
"""
    )


def test_no_memory_here_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        with monkeypatch.context() as patch:
            patch.setattr(messages, "read", fail)
            with pytest.raises(OutOfResources, match="not enough memory here"):
                predictor.predict([[-1, 1]])
        assert predictor.predict([[-1, 1]]).tolist() == [1]


def test_a_program_without_an_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(IsolationFailed, match="set_executable"):
        IsolatedPredictor(FOUR_BLOBS)


def test_a_frozen_program_that_names_an_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its own modules are no files: the interpreter has those that are installed for it.
    monkeypatch.setattr(process, "_START", "import json, sys; sys.exit(7 if json.loads(sys.argv[2]) == [] else 8)")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode(sys.executable))
    monkeypatch.setattr(sys, "executable", "/opt/program/program")
    with pytest.raises(IsolationFailed, match="exit code 7"):
        IsolatedPredictor(FOUR_BLOBS)


def test_an_interpreter_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable, said in (("/nowhere/python", "cannot be started"), ("/bin/true", "exit code 0")):
        monkeypatch.setattr("multiprocessing.spawn._python_exe", executable)
        with pytest.raises(IsolationFailed, match=said):
            IsolatedPredictor(FOUR_BLOBS)


def test_what_a_signal_handler_raises_ends_the_call_and_the_next_one_is_answered() -> None:
    class TooLate(TimeoutError):
        pass

    def raise_it(*_: object) -> None:
        raise TooLate

    def run_until_alarm(predictor: IsolatedPredictor) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        predictor.run({"x": ROWS})

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        with IsolatedPredictor(FOLDER / "endless.onnx", limits=Limits(isolated_seconds=HANG)) as predictor:
            for _ in range(2):
                with pytest.raises(TooLate):
                    run_until_alarm(predictor)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_call_within_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    answer = process._answer

    def call(*_: object) -> None:
        with pytest.raises(IsolationFailed, match="in the middle of its own call") as error:
            predictor.predict_one([-1, 1])
        found.append(error)

    def interrupted(*arguments: Any) -> Any:
        # The question is asked, and not answered.
        signal.raise_signal(signal.SIGALRM)
        return answer(*arguments)

    before = signal.signal(signal.SIGALRM, call)
    try:
        with IsolatedPredictor(FOUR_BLOBS) as predictor:
            monkeypatch.setattr(process, "_answer", interrupted)
            assert predictor.predict_one([-1, 1]).label == 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(found) == 1


def test_threads_that_wait_while_it_dies() -> None:
    with endless() as predictor:

        def ask() -> None:
            with pytest.raises(IsolationFailed, match="took longer"):
                predictor.run({"x": ROWS})

        in_threads(ask, 4)


ORPHAN = f"""
import os, sys
from edge_runtime import IsolatedPredictor, Limits
predictor = IsolatedPredictor({str(FOLDER / "endless.onnx")!r}, limits=Limits(isolated_seconds=None))
print(predictor._runner.placement.isolated._process._process.pid, flush=True)
predictor.run({{"x": {ROWS}}})
"""


def is_gone(pid: int) -> bool:
    """Whether the process has ended."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


BLOCKED = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO, signal.SIGALRM])
signal.signal(signal.SIGIO, signal.SIG_IGN)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not signal the end of a pipe")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("before", ["", BLOCKED])
def test_it_ends_with_the_program_while_it_computes(number: signal.Signals, before: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", before + ORPHAN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        time.sleep(0.3)
        program.send_signal(number)
        program.wait(HANG)
    until(lambda: is_gone(pid))


def test_the_end_of_the_interpreter_is_quiet() -> None:
    assert_python_runs(
        f"from edge_runtime import IsolatedPredictor\n"
        f"predictor = IsolatedPredictor({str(FOUR_BLOBS)!r})\nassert predictor.predict([[-1, 1]]).tolist() == [1]"
    )


def test_a_forked_process_opens_the_model_anew() -> None:
    assert_python_runs(
        f"""
import os
from edge_runtime import IsolatedPredictor
predictor = IsolatedPredictor({str(FOUR_BLOBS)!r})
expected = predictor.predict_one([-1, 1])
process = predictor._runner.placement.isolated._process._process
pid = os.fork()
if not pid:
    assert predictor.predict_one([-1, 1]) == expected
    assert predictor._runner.placement.isolated._process._process.pid != process.pid
    predictor.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert process.poll() is None
assert predictor.predict_one([-1, 1]) == expected
"""
    )


def test_nothing_of_the_environment_reaches_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SECRET", "word")
    monkeypatch.chdir(tmp_path)
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        pid = process_of(predictor).pid
        if sys.platform == "linux":
            with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
                assert b"SECRET" not in file.read()
            assert os.readlink(f"/proc/{pid}/cwd") == "/"  # noqa: PTH115
            outputs = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 2)}  # noqa: PTH115
            assert outputs == {os.devnull}


def test_the_system_ends_it_even_if_the_program_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE", 10.0 * HANG)
    with endless() as predictor, pytest.raises(IsolationFailed, match="took longer"):
        predictor.run({"x": ROWS})
