"""Requests for one model: their bodies within the limits, and answers or errors as JSON."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.terminal import shortened
from edge_runtime.serve.compression import compressed, decompressed
from edge_runtime.serve.models import ServedModel, ServedModels
from edge_runtime.serve.refusals import Refused, status_of
from edge_runtime.serve.threads import in_thread

Result = TypeVar("Result")

_LOG = logging.getLogger("edge_runtime.serve")

# Bodies up to so many bytes are read and written on the event loop, which takes about a millisecond.
_SMALL = 64 * 1024


@dataclass(slots=True)
class Asked:
    """A request that has been read.

    Attributes:
        headers: by their names in small letters, the last one if a name comes twice.
        body: as it was before it was compressed.
        query: what follows the question mark of the URL.
        path: the parameters in the path.
    """

    headers: dict[bytes, bytes]
    body: bytes
    query: bytes
    path: dict[str, str]


@dataclass(slots=True)
class Answer:
    """What is sent back, and compressed if the client takes that."""

    body: bytes
    content_type: bytes = b"application/json"
    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


Handler = Callable[[ServedModel, Asked], Awaitable[Answer]]


class ModelEndpoint:
    """Answers requests for the model `name` in the path. It is an ASGI application, for a Starlette Route."""

    def __init__(self, models: ServedModels, kind: str, handler: Handler) -> None:
        """Answer with `handler`, and count the requests as those of the endpoint `kind`."""
        self._models, self._handler = models, handler
        self._counts = {name: models.metrics.of_requests(name, kind) for name in models}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begin = time.perf_counter()
        path = scope["path_params"]
        try:
            answer = await self._answer(path, scope, receive)
        except Exception as error:
            answer = failure(error)
        # Before it is sent, so that whoever has an answer finds it counted.
        if count := self._counts.get(path["name"]):
            count(answer.status, time.perf_counter() - begin)
        await send_answer(answer, send)

    async def _answer(self, path: dict[str, str], scope: Scope, receive: Receive) -> Answer:
        model, limits = self._models.named(path["name"]), self._models.limits
        headers = dict(scope["headers"])
        body = await read_body(headers, receive, limits.body, limits.seconds)
        if encoding := headers.get(b"content-encoding"):
            body = await when_sized(self._models.others, len(body), decompressed, body, encoding, limits.body)
        answer = await self._handler(model, Asked(headers, body, scope["query_string"], path))
        if accepted := headers.get(b"accept-encoding"):
            answer.body, more = await when_sized(
                self._models.others, len(answer.body), compressed, answer.body, accepted
            )
            answer.headers += more
        return answer


async def when_sized(threads: Executor, size: int, work: Callable[..., Result], *arguments: object) -> Result:
    """`work(*arguments)`; on one of `threads`, if the event loop should not wait for so many bytes."""
    if size <= _SMALL:
        return work(*arguments)
    return await in_thread(threads, work, *arguments)


async def read_body(headers: dict[bytes, bytes], receive: Receive, most: int, seconds: float) -> bytes:
    """The body of a request.

    Raises:
        Refused: it is larger than `most` bytes (413), takes longer than `seconds` (408), or is cut (400).
    """
    length = headers.get(b"content-length", b"0")
    is_long = len(length) > 18 or not length.isdigit() or int(length) > most
    if is_long and b"expect" in headers:
        # The client waits for a word before it sends the body.
        raise _too_large(most)
    message = _there(await receive())
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        try:
            async with asyncio.timeout(seconds):
                while message.get("more_body"):
                    message = _there(await receive())
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        # Many clients read nothing before they have sent everything, so some more is taken from them.
                        is_long, parts = True, []
                    if size > 2 * most:
                        break
        except TimeoutError:
            raise Refused(408, f"the request was not complete after {seconds:g} seconds", _CLOSE) from None
        body = b"".join(parts)
    if is_long or len(body) > most:
        raise _too_large(most)
    return body


_CLOSE = {"connection": "close"}


def _there(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise Refused(400, "the client is gone", _CLOSE)
    return message


def _too_large(most: int) -> Refused:
    return Refused(413, f"the body is larger than {most} bytes", _CLOSE)


def failure(error: Exception) -> Answer:
    """The answer that says what is wrong."""
    headers = error.headers if isinstance(error, Refused) else {}
    if isinstance(error, Refused | EdgePredictError):
        message = shortened(str(error))
    elif isinstance(error, RecursionError):
        # A message would quote a value that orjson read, and Python's repr goes less deep.
        message = "the request is nested too deeply"
    elif isinstance(error, MemoryError):
        message = "the server has not enough memory for this request now"
    else:
        _LOG.error("a request could not be answered", exc_info=error)
        message = "the server failed; its log says why"
    return Answer(
        # It may have halves of characters, which could not be sent.
        orjson.dumps({"error": message.encode(errors="backslashreplace").decode()}),
        status=status_of(error),
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
    )


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` as JSON, where no model is asked."""
    return Response(orjson.dumps(content), status, headers, "application/json")


async def send_answer(answer: Answer, send: Send) -> None:
    """Send `answer`."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
