"""The isolated process, as the program sees it: it is started, asked, and ended when it does not answer."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from edge_runtime.contract import errors
from edge_runtime.contract.errors import EdgePredictError, InvalidInput, IsolationFailed, OutOfResources
from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.telemetry import SWITCH
from edge_runtime.contract.terminal import counted, one_line, shortened
from edge_runtime.engine import forks
from edge_runtime.isolate import messages

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]) or sys.path; "
    "from edge_runtime.isolate import child; child.main(int(sys.argv[1]))"
)
# What is passed on of the environment: how many threads compute, how names of files are encoded, where libraries are.
_PASSED_ON = (
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "ORT_INTRA_OP_NUM_THREADS", "ORT_INTER_OP_NUM_THREADS"),
    *("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", SWITCH),
)
# How many seconds Python and ONNX Runtime may take to start, also on a slow and busy machine.
_STARTING = 120.0
# How many seconds after its own alarm the process is ended from here.
_GRACE = 1.0
# The most bytes of an answer if memory is not limited.
_MOST = 2**40
# That there is no memory has to be said too, whatever the limit is.
_ERROR = 2**16
# What the process takes for a model of a few bytes.
_LEAST = 32 * 2**20
_ERRORS = {
    name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, EdgePredictError)
}

_running: "weakref.WeakSet[IsolatedProcess]" = weakref.WeakSet()


class ProcessLost(Exception):
    """The process did nothing wrong, and cannot be asked any more: a question was interrupted, or this is a fork."""


class IsolatedProcess:
    """A process that opens one model and answers for it, within the limits `isolated_bytes` and `isolated_seconds`.

    Several threads may ask it; it answers one after the other. It ends with this object, and with this process.
    """

    def __init__(self, limits: Limits) -> None:
        """Start it.

        Raises:
            IsolationFailed: it does not start, or the system does not have what it takes.
            RuntimeNotInstalled: ONNX Runtime cannot be used.
        """
        if os.name != "posix":
            raise IsolationFailed("isolation needs a POSIX system; on Windows, run edge-predict in WSL or a container")
        self._limits = limits
        self._begin_asking()
        self._failure: str | None = None
        # How many bytes it may take, as it says; None for no limit.
        self._memory: Any = None
        self._process, self._socket = _started()
        self._end = weakref.finalize(self, _end, self._process, self._socket)
        _running.add(self)
        with self.ending_on_error():
            self._memory = self.ask("start", limits.isolated_bytes, seconds=_STARTING)

    def end(self) -> None:
        """End the process, after the question that another thread is asking."""
        with self._asking:
            self._end()

    @contextlib.contextmanager
    def ending_on_error(self) -> Iterator[None]:
        """End the process if what is done in here fails. What is raised may keep this object for a while."""
        try:
            yield
        except BaseException:
            self._end()
            raise

    def _begin_asking(self) -> None:
        # A signal handler may ask in the middle of a question.
        self._asking = threading.RLock()
        self._is_asked = False

    def ask(
        self, what: str, *arguments: Any, seconds: float | None, on_step: Callable[[], object] | None = None
    ) -> Any:
        """What the process answers.

        Args:
            what: the name of the question, see `child`.
            arguments: what belongs to it, see `messages`.
            seconds: the most seconds that it may take; None for no limit.
            on_step: called whenever the process says that it has done a step.

        Raises:
            IsolationFailed: the process ended, took too long or too much memory, or does not answer as it should; now
                or earlier.
            ProcessLost: see there.
            EdgePredictError: what the question raises there.
        """
        try:
            question = messages.encoded([what, seconds, *arguments])
        except TypeError as error:
            raise InvalidInput(f"an isolated model does not take it: {error}") from error
        with self._asking:
            if self._is_asked:
                raise IsolationFailed("an isolated model cannot be called in the middle of its own call")
            if self._failure is not None:
                raise IsolationFailed(self._failure)
            if not self._end.alive:
                raise ProcessLost
            self._is_asked = True
            try:
                kind, *answer = self._exchange(question, seconds, on_step)
            except BaseException:
                # What a signal handler raises too: the rest of the answer would be taken for the next one.
                self._end()
                raise
            finally:
                self._is_asked = False
        if kind == "error":
            self._raise(*answer)
        return answer[0]

    def _exchange(self, question: list[Any], seconds: float | None, on_step: Callable[[], object] | None) -> list[Any]:
        deadline, most = _Deadline(self._socket, seconds), (self._limits.isolated_bytes or _MOST) + _ERROR
        self._guarded(seconds, lambda: deadline.send(question))
        while True:
            answer: list[Any] = self._guarded(seconds, lambda: _answer(deadline, most))
            if answer != ["step"]:
                return answer
            if on_step is not None:
                on_step()

    def _guarded(self, seconds: float | None, act: Callable[[], Any]) -> Any:
        """What `act` gives, which reads from the process or writes to it."""
        try:
            return act()
        except messages.MalformedMessage as error:
            self._failure = f"the isolated model does not answer as it should: {shortened(one_line(error))}"
        except MemoryError:
            raise OutOfResources("there is not enough memory here for the answer of the isolated model") from None
        except OSError as error:
            if is_from_handler(error):
                raise
            is_late = isinstance(error, TimeoutError)
            self._failure = _took_too_long(seconds) if is_late else self._how_it_ended(seconds)
        raise IsolationFailed(self._failure) from None

    def _how_it_ended(self, seconds: float | None) -> str:
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "the isolated model does not answer any more"
        if code >= 0:
            return f"the isolated model ended its process (exit code {code})"
        if code == -signal.SIGALRM:
            return _took_too_long(seconds)
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        if -code in (signal.SIGABRT, signal.SIGKILL) or self._has_little_memory():
            # C++ aborts for want of memory on another thread, and the system kills for it.
            hint = f", perhaps for want of memory{how_to_raise('isolated_bytes')}"
        else:
            hint = ""
        return f"the isolated model crashed ({name}){hint}"

    def _has_little_memory(self) -> bool:
        return isinstance(self._memory, int) and self._memory < _LEAST

    def _raise(self, name: Any, message: Any) -> NoReturn:
        """Raise what the process says that it has raised."""
        is_memory = name in (MemoryError.__name__, OutOfResources.__name__)
        # Python does not always say so, as when a module is read in part.
        is_memory = is_memory or (name not in _ERRORS and self._has_little_memory())
        if is_memory and isinstance(self._memory, int):
            is_less = self._memory < (self._limits.isolated_bytes or 0)
            hint = ", half of what the machine or its control group has" if is_less else how_to_raise("isolated_bytes")
            if self._has_little_memory():
                hint = f"; small models take about {_LEAST >> 20} MiB{hint}"
            raise IsolationFailed(f"the isolated model needs more memory than {_in_mib(self._memory)}{hint}")
        if (known := _ERRORS.get(name)) is not None:
            raise known(message)
        raise IsolationFailed(f"the isolated model failed: {shortened(one_line(f'{name}: {message}'))}")


class _Deadline:
    """Sends and receives bytes until a time."""

    def __init__(self, connection: socket.socket, seconds: float | None) -> None:
        self._socket = connection
        self._end = None if seconds is None else time.monotonic() + seconds + _GRACE

    def send(self, parts: list[Any]) -> None:
        """Send all of `parts`. Raises: as `receive`."""
        for part in parts:
            self._socket.settimeout(self.check())
            # Programs may let SIGPIPE end them. Not every system can leave it out.
            self._socket.sendall(part, getattr(socket, "MSG_NOSIGNAL", 0))

    def receive(self, buffer: memoryview) -> None:
        """Fill `buffer`.

        Raises:
            TimeoutError: the time is over.
            OSError: the other side has ended.
        """
        while buffer:
            self._socket.settimeout(self.check())
            if not (count := self._socket.recv_into(buffer)):
                raise ConnectionError
            buffer = buffer[count:]

    def check(self) -> float | None:
        """How many seconds are left; None without a limit. Raises: TimeoutError."""
        left = None if self._end is None else self._end - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        return left


def _in_mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB" if size >= 2**20 else counted(size, "byte")


def _answer(deadline: _Deadline, most: int) -> list[Any]:
    """The next answer: of one of the forms in which `child` answers."""
    answer: list[Any] = messages.read(deadline.receive, most, deadline.check)
    match answer:
        case ["step"] | ["value", _] | ["error", str(), str()]:
            return answer
    raise messages.MalformedMessage("there is no such answer")


def _took_too_long(seconds: float | None) -> str:
    if seconds == _STARTING:
        return f"the process for an isolated model does not start within {seconds:g} s"
    return f"the isolated model took longer than {seconds:g} s{how_to_raise('isolated_seconds')}"


def _started() -> tuple["subprocess.Popen[bytes]", socket.socket]:
    """A new process, and what it is asked by."""
    # Once for a process, and it takes a while.
    from multiprocessing.spawn import get_executable

    executable, is_frozen = os.fsdecode(get_executable() or ""), getattr(sys, "frozen", False)
    if not executable or (is_frozen and executable == sys.executable):
        raise IsolationFailed(
            "isolation starts a Python interpreter, and there is none in this program; name one with "
            "multiprocessing.set_executable"
        )
    # Its modules are found where they are found here, unless they are in a frozen program.
    places = [] if is_frozen else [*(Path(one) for one in sys.path if isinstance(one, str)), Path(__file__).parents[2]]
    paths = list(dict.fromkeys(str(one.absolute()) for one in places))
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # numpy's own threads have nothing to do there.
    environment["OPENBLAS_NUM_THREADS"] = "1"
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            [executable, "-I", "-c", _START, str(theirs.fileno()), json.dumps(paths)],
            # Nothing is written to its stdin: its end tells that of this process.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=environment,
            pass_fds=[theirs.fileno()],
            # Ctrl-C is for this process, which ends the other one.
            start_new_session=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        ours.close()
        raise IsolationFailed(f"the process for an isolated model cannot be started: {one_line(error)}") from error
    finally:
        theirs.close()
    return process, ours


def _end(process: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
    _close(process, connection)
    process.kill()
    process.wait()


def _close(process: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
    connection.close()
    assert process.stdin is not None
    process.stdin.close()


def _leave_to_parent(_: bool) -> None:
    """In a forked process: the isolated ones belong to its parent, and end with that."""
    for one in list(_running):
        if one._end.detach() is not None:
            _close(one._process, one._socket)
            # It does not belong to this process, which must not wait for it.
            one._process.returncode = 0
        one._begin_asking()


forks.after_fork(_leave_to_parent)
forks.makes_calls(IsolatedProcess, "ask")
