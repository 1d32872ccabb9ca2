"""`edge-serve` in a process of its own, and applications in this one."""

import asyncio
import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from concurrency import HANG

# An address of this machine at which nothing else listens, so that a port that was left is still free.
LONELY = "127.0.0.72" if sys.platform == "linux" else "127.0.0.1"

COMMAND = [sys.executable, "-c", "import sys; from edge_runtime.serve.command import main; sys.exit(main())"]


class Server:
    """A running `edge-serve`.

    Attributes:
        process: its process.
        url: where it listens, such as http://127.0.0.1:8000.
        notes: the lines that it has written on stderr so far.
    """

    def __init__(self, *arguments: object) -> None:
        words = [str(argument) for argument in arguments]
        self.process = subprocess.Popen(
            [*COMMAND, *words, "--port", "0"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.notes: list[str] = []
        try:
            self.url = self.line(r"(http://\S+)")[1]
        except AssertionError:
            self.process.communicate(timeout=HANG)
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host.strip("[]"), int(port)

    @contextlib.contextmanager
    def connected(self) -> Iterator[Callable[..., "Response"]]:
        """A connection that is kept: a function from a path and what else `http.client` takes to a response."""
        connection = http.client.HTTPConnection(*self.address, timeout=HANG)

        def ask(path: str, body: Any = None, method: str = "", headers: Mapping[str, str] | None = None) -> Response:
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            sent = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, sent, response.read())

        with contextlib.closing(connection):
            yield ask

    def ask(
        self, path: str, body: Any = None, method: str = "", headers: Mapping[str, str] | None = None
    ) -> "Response":
        """The response to one request, on a connection of its own."""
        with self.connected() as ask:
            return ask(path, body, method, headers)

    def line(self, pattern: str) -> re.Match[str]:
        """The next line on stderr in which `pattern` is found.

        Raises:
            AssertionError: the process has ended without such a line.
        """
        assert self.process.stderr is not None
        hang = threading.Timer(HANG, self.process.kill)
        hang.start()
        try:
            for line in self.process.stderr:
                self.notes.append(line)
                if found := re.search(pattern, line):
                    return found
        finally:
            hang.cancel()
        raise AssertionError(f"{pattern} was not written, exit code {self.process.wait(HANG)}: {self.notes}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, read the rest of stderr, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=HANG)
        self.notes += rest.splitlines(keepends=True)
        return self.process.returncode


@contextlib.contextmanager
def serving(*arguments: object) -> Iterator[Server]:
    """A server that takes requests, and is ended afterwards."""
    server = Server(*arguments)
    try:
        yield server
        # Not killed: what it has run is counted when it ends by itself.
        if server.process.poll() is None:
            server.end()
    finally:
        server.process.kill()
        server.process.communicate(timeout=HANG)


def until(condition: Callable[[], object]) -> None:
    """Ask until `condition` holds.

    Raises:
        AssertionError: it does not for as long as a hang would be.
    """
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


class Response(NamedTuple):
    """What an application has sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(app: Any, path: str, body: bytes | Iterable[bytes] | None = None, method: str = "", **headers: str) -> Response:
    """The response of an ASGI application in this process: to a POST if there is a body, whole or in parts."""
    return asyncio.run(ask_soon(app, path, body, method, **headers))


async def ask_soon(
    app: Any, path: str, body: bytes | Iterable[bytes] | None = None, method: str = "", **headers: str
) -> Response:
    """As `ask`, among other requests at the same time."""
    path, _, query = path.partition("?")
    parts = [body] if isinstance(body, bytes) else list(body or [b""])
    if isinstance(body, bytes):
        headers = {"content-length": str(len(body)), **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method or ("GET" if body is None else "POST"),
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    messages = iter(
        [{"type": "http.request", "body": part, "more_body": i < len(parts)} for i, part in enumerate(parts, start=1)]
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return Response(sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}, content)
