"""A process that serves: it opens and verifies the models, and then the port."""

import functools
import logging
import math
import multiprocessing
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from types import FrameType

import uvicorn

from edge_runtime.contract import shell
from edge_runtime.contract.errors import EdgePredictError, NoCertificate
from edge_runtime.predictor import Predictor
from edge_runtime.serve.app import create_app
from edge_runtime.serve.limits import Limits
from edge_runtime.serve.models import ServedModels
from edge_runtime.serve.protocol import LimitedProtocol


@dataclass(frozen=True)
class Settings:
    """What a server serves, and how.

    Attributes:
        files: the models' files by their names.
        device, threads: as for `Predictor`.
        verify: whether to replay the certificates first.
        limits: what is refused.
        drain: seconds for which requests are still taken after the server was told to end.
    """

    files: Mapping[str, str]
    device: str
    threads: int | None
    verify: bool
    limits: Limits
    drain: float


def serve(settings: Settings, listening: socket.socket, on_ready: Callable[[], object]) -> int:
    """Serve until a signal says otherwise, and return the exit code.

    Args:
        settings: what to serve.
        listening: a bound socket.
        on_ready: called when requests are taken.

    Raises:
        EdgePredictError: a model cannot be opened, or is not verified.
    """
    # The log is for those who run the server: what its clients do wrong, they are told.
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("edge_runtime.serve").setLevel(logging.INFO)
    models = ServedModels({name: _opened(name, settings) for name in settings.files}, settings.limits)
    config = uvicorn.Config(
        create_app(models),
        http=functools.partial(LimitedProtocol, seconds=settings.limits.seconds),  # type: ignore[arg-type]
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.limits.seconds),
    )
    server = Server(config, models, settings.drain, on_ready)
    server.run([listening])
    models.threads.shutdown(wait=False, cancel_futures=True)
    return 130 if server.was_interrupted else 0


def work(settings: Settings, listening: socket.socket, ready: "connection.Connection") -> None:
    """Serve as one of several processes; `ready` is sent True when requests are taken."""
    # Ctrl-C goes to all processes of a terminal. The supervisor tells the workers to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(shell.call(lambda: serve(settings, listening, lambda: ready.send(True))))


class Server(uvicorn.Server):
    """Ends in order: it says that it is not ready, takes requests for a while, and answers what it has taken.

    Attributes:
        was_interrupted: whether Ctrl-C has ended it.
    """

    def __init__(
        self, config: uvicorn.Config, models: ServedModels, drain: float, on_ready: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._models, self._drain, self._on_ready = models, drain, on_ready
        self._ends_at = math.inf
        self.was_interrupted = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port."""
        await super().startup(sockets)
        if self.started:
            threading.Thread(target=self._end_with_parent, daemon=True).start()
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; asked ten times a second."""
        if time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that end a server. Unlike uvicorn's own method, it does not raise them again at the end."""
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, signal.SIGTERM)
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; at once if it is told so again."""
        self.was_interrupted = sig == signal.SIGINT
        if not self._models.is_ready:
            self.force_exit = self.should_exit
            self.should_exit = True
            return
        self._models.is_ready = False
        # Clients that keep their connections come again on new ones, to another server.
        self.config.encoded_headers = [*self.config.encoded_headers, (b"connection", b"close")]
        self._ends_at = time.monotonic() + self._drain

    def _end_with_parent(self) -> None:
        """End when the supervisor is gone, which would leave the port to a server that nobody can end."""
        parent = multiprocessing.parent_process()
        if parent is not None:
            connection.wait([parent.sentinel])
            self._models.is_ready, self.should_exit = False, True


def _opened(name: str, settings: Settings) -> Predictor:
    file, device, threads = settings.files[name], settings.device, settings.threads
    try:
        if settings.verify:
            try:
                return Predictor(file, device, verify=True, threads=threads)
            except NoCertificate:
                shell.note(f"{name} has no certificate, so it is served without being verified")
        return Predictor(file, device, threads=threads)
    except EdgePredictError as error:
        raise type(error)(f"{name}: {error}") from error
