"""Requests for one model: their bodies within the limits, and answers or errors as JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import orjson
from starlette.types import Receive, Scope, Send

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.serve.models import ServedModel, ServedModels
from edge_runtime.serve.refusals import Refused, status_of


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
    """What is sent back."""

    body: bytes
    content_type: bytes = b"application/json"
    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


Handler = Callable[[ServedModel, Asked], Awaitable[Answer]]


class ModelEndpoint:
    """Answers requests for the model `name` in the path. It is an ASGI application, for a Starlette Route."""

    def __init__(self, models: ServedModels, handler: Handler) -> None:
        self._models, self._handler = models, handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._answer(scope, receive)
        except Exception as error:
            answer = failure(error)
        await send_answer(answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path = scope["path_params"]
        model = self._models.named(path["name"])
        headers = dict(scope["headers"])
        body = await read_body(headers, receive, self._models.limits.body, self._models.limits.seconds)
        return await self._handler(model, Asked(headers, body, scope["query_string"], path))


async def read_body(headers: dict[bytes, bytes], receive: Receive, most: int, seconds: float) -> bytes:
    """The body of a request.

    Raises:
        Refused: it is larger than `most` bytes (413), or takes longer than `seconds` (408).
    """
    length = headers.get(b"content-length", b"0")
    if len(length) > 19 or int(length) > most:
        raise _too_large(most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        try:
            async with asyncio.timeout(seconds):
                while message.get("more_body"):
                    message = await receive()
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise _too_large(most)
        except TimeoutError:
            raise Refused(408, f"the request was not complete after {seconds:g} seconds") from None
        body = b"".join(parts)
    if len(body) > most:
        raise _too_large(most)
    return body


def failure(error: Exception) -> Answer:
    """The answer that says what is wrong."""
    headers = [(name.encode(), value.encode()) for name, value in getattr(error, "headers", {}).items()]
    known = isinstance(error, Refused | EdgePredictError)
    message = str(error) if known else "the server failed; its log says why"
    return Answer(orjson.dumps({"error": message}), status=status_of(error), headers=headers)


async def send_answer(answer: Answer, send: Send) -> None:
    """Send `answer`."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _too_large(most: int) -> Refused:
    return Refused(413, f"the body is larger than {most} bytes")
