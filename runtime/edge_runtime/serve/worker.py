"""A process that serves: it opens and verifies the models, and then the port."""

import asyncio
import contextlib
import functools
import logging
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import connection
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from edge_runtime.contract import shell
from edge_runtime.contract.errors import EdgePredictError, NoCertificate
from edge_runtime.contract.limits import Limits
from edge_runtime.predictor import Predictor
from edge_runtime.serve.app import create_app
from edge_runtime.serve.hosts import asked_by
from edge_runtime.serve.limits import ServeLimits
from edge_runtime.serve.models import ServedModels
from edge_runtime.serve.protocol import LimitedProtocol
from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.requests import failure, send_answer


@dataclass(frozen=True)
class Settings:
    """What a server serves, and how.

    Attributes:
        files: the models' files by their names.
        device, threads: as for `Predictor`.
        verify: whether to replay the certificates first.
        limits: what is refused.
        model_limits: how much a model and a call of it may take.
        drain: seconds for which requests are still taken after the server was told to end.
        hosts: by which names the server is asked, see `asked_by`.
        trust: the public keys in PEM whose models are served; any model if there is none.
        tells: whether to say which models have no certificate.
    """

    files: Mapping[str, str]
    device: str
    threads: int | None
    verify: bool
    limits: ServeLimits
    model_limits: Limits
    drain: float
    hosts: frozenset[str]
    trust: tuple[bytes, ...] = ()
    tells: bool = True


def serve(
    settings: Settings,
    listening: socket.socket,
    on_ready: Callable[[], object],
    supervisor: "connection.Connection | None" = None,
) -> int:
    """Serve until a signal says otherwise, and return the exit code.

    Args:
        settings: what to serve.
        listening: a bound socket.
        on_ready: called when requests are taken.
        supervisor: gives a message when the server is to end at once, after it was told by a signal to end.

    Raises:
        EdgePredictError: a model cannot be opened, or is not verified.
        OutOfResources: the threads that it needs cannot be started.
    """
    # The log is for those who run the server: what its clients do wrong, they are told.
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("edge_runtime.serve").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    models = ServedModels({name: _opened(name, settings) for name in settings.files}, settings.limits)
    for threads in (models.threads, models.others):
        threads.start()
    config = uvicorn.Config(
        _answering_to_the_end(asked_by(settings.hosts, create_app(models))),
        http=functools.partial(LimitedProtocol, seconds=settings.limits.seconds),  # type: ignore[arg-type]
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.limits.seconds),
    )
    server = Server(config, models, settings.drain, on_ready, supervisor)
    server.run([listening])
    for threads in (models.threads, models.others):
        threads.shutdown(wait=False, cancel_futures=True)
    return 130 if server.was_interrupted else 0


def work(settings: Settings, listening: socket.socket, supervisor: "connection.Connection") -> None:
    """Serve as one of several processes; `supervisor` is sent True when requests are taken."""
    # Ctrl-C goes to all processes of a terminal. The supervisor tells the workers to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(shell.call(lambda: serve(settings, listening, lambda: supervisor.send(True), supervisor)))


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record is of more than a client that is gone, which uvloop says before uvicorn hears of it."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and "the handler is closed" in str(error))


def _answering_to_the_end(app: ASGIApp) -> ASGIApp:
    """`app`, which says so when a request is given up because the server ends at once."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            # The answer may have begun.
            with contextlib.suppress(RuntimeError):
                await send_answer(failure(Refused(503, "the server ends")), send)

    return answering


class Server(uvicorn.Server):
    """Ends in order: it says that it is not ready, takes requests for a while, and answers what it has taken.

    Attributes:
        was_interrupted: whether Ctrl-C has ended it.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        models: ServedModels,
        drain: float,
        on_ready: Callable[[], object],
        supervisor: "connection.Connection | None",
    ) -> None:
        super().__init__(config)
        self._models, self._drain, self._on_ready, self._supervisor = models, drain, on_ready, supervisor
        self._ends_at = math.inf
        self.was_interrupted = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port."""
        await super().startup(sockets)
        if self.started:
            # Until the event loop ends. A reference keeps it from being collected.
            self._following = asyncio.create_task(self._models.follow_files())
            if self._supervisor is not None:
                threading.Thread(target=self._follow, args=(self._supervisor,), daemon=True).start()
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; asked ten times a second."""
        if time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)

    @contextlib.contextmanager
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
        if not self._models.is_ready:
            # Some send a signal to all processes of a service, and the supervisor sends it once more.
            if self._supervisor is None:
                self._end_at_once()
            return
        self.was_interrupted = sig == signal.SIGINT
        self._models.is_ready = False
        # Clients that keep their connections come again on new ones, to another server.
        self.config.encoded_headers = [*self.config.encoded_headers, (b"connection", b"close")]
        self._ends_at = time.monotonic() + self._drain

    def _end_at_once(self) -> None:
        """End the drain; if it has ended already, give up the requests that are not answered."""
        self.force_exit = self.should_exit
        self._models.is_ready, self.should_exit = False, True

    def _follow(self, supervisor: "connection.Connection") -> None:
        """End at once when the supervisor says so; or is gone, and would leave a server that nobody can end."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                supervisor.recv()
                self._end_at_once()
        self._end_at_once()


def _opened(name: str, settings: Settings) -> Predictor:
    opened = functools.partial(
        Predictor,
        settings.files[name],
        settings.device,
        threads=settings.threads,
        trust=settings.trust or None,
        limits=settings.model_limits,
    )
    try:
        if settings.verify:
            try:
                return opened(verify=True)
            except NoCertificate:
                if settings.tells:
                    shell.note(f"{name} has no certificate, so it is served without being verified")
        return opened()
    except EdgePredictError as error:
        raise type(error)(f"{name}: {error}") from error
