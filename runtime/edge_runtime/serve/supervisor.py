"""Several processes that serve at one port: starts them, starts another one for one that dies, and ends them."""

import contextlib
import dataclasses
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import Any

from edge_runtime.contract import shell
from edge_runtime.serve.metrics import FOLDER, forget
from edge_runtime.serve.worker import Settings, work

# Seconds until a worker is started once more that could not be; and for which workers that should have ended may go on.
_AGAIN = 1.0
_GRACE = 5.0


class Supervisor:
    """The workers of one server. Each opens the models for itself: sessions of ONNX Runtime do not outlive a fork."""

    def __init__(self, settings: Settings, listening: socket.socket, count: int) -> None:
        self._settings, self._listening, self._count = settings, listening, count
        self._workers: dict[SpawnProcess, connection.Connection] = {}
        self._signal: int | None = None
        self._wake, self._told = os.pipe()

    def run(self, on_ready: Callable[[], object]) -> int:
        """Serve until a signal says otherwise, and return the exit code.

        Args:
            on_ready: called when requests are taken.
        """
        folder = None
        if FOLDER not in os.environ:
            os.environ[FOLDER] = folder = tempfile.mkdtemp(prefix="edge-serve-")
        before = {number: signal.signal(number, self._take) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            # What is wrong with the models, the first one says for all.
            if (code := self._start()) is not None:
                return code
            on_ready()
            while self._signal is None:
                self._fill()
            return 130 if self._signal == signal.SIGINT else 0
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)
            if folder is not None:
                del os.environ[FOLDER]
                shutil.rmtree(folder, ignore_errors=True)

    def _fill(self) -> None:
        """Start the workers that are missing, and wait for a signal or the end of a worker."""
        while len(self._workers) < self._count and self._signal is None:
            if self._start() is not None:
                self._wait([], _AGAIN)
        self._wait([worker.sentinel for worker in self._workers])
        for worker in list(self._workers):
            if not worker.is_alive() and self._signal is None:
                shell.note(f"worker {worker.pid} has ended with exit code {worker.exitcode}; another one is started")
                self._forget(worker)

    def _start(self) -> int | None:
        """Start a worker. Returns: None when it takes requests, or the exit code if it cannot, or is not to do so."""
        context = multiprocessing.get_context("spawn")
        ready, told = context.Pipe()
        worker = context.Process(target=work, args=(self._settings, self._listening, told))
        worker.start()
        told.close()
        self._workers[worker] = ready
        self._settings = dataclasses.replace(self._settings, tells=False)
        self._wait([ready, worker.sentinel])
        if ready.poll() and self._signal is None:
            try:
                ready.recv()
            except EOFError:
                worker.join()
            else:
                return None
        if self._signal is not None:
            return 130 if self._signal == signal.SIGINT else 0
        worker.join()
        self._forget(worker)
        return worker.exitcode or 1

    def _forget(self, worker: SpawnProcess) -> None:
        self._workers.pop(worker).close()
        forget(worker.pid)

    def _wait(self, for_one_of: list[Any], seconds: float | None = None) -> None:
        connection.wait([*for_one_of, self._wake], seconds)

    def _take(self, number: int, _: object) -> None:
        if self._signal is not None:
            # Told so again, the workers end at once.
            for worker in self._workers.values():
                with contextlib.suppress(OSError):
                    worker.send(None)
            return
        self._signal = number
        os.write(self._told, b".")

    def _end(self) -> None:
        """Tell the workers to end, and kill those that do not."""
        for worker in self._workers:
            worker.terminate()
        latest = time.monotonic() + self._settings.drain + self._settings.limits.seconds + _GRACE
        for worker in self._workers:
            worker.join(max(0.0, latest - time.monotonic()))
            if worker.exitcode is None:
                shell.note(f"worker {worker.pid} does not end, and is killed")
                worker.kill()
                worker.join()
        os.close(self._wake)
        os.close(self._told)
