"""Connections that end if the client is too slow, or its headers too long, as uvicorn's own would not."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The most bytes of headers that come after the first piece of them, which the event loop bounds itself.
_HEADERS = 64 * 1024


class _Transport:
    """Writes the head of a response together with its body: one call of the system takes half the time of two."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write `data`, or keep it for the next call if it is a head."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.endswith(b"\r\n\r\n") and data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write the head of a response that has no body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close the connection when everything is written."""
        self.flush()
        self._transport.close()


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections of clients that take too long, or send too much before a body.

    They have `seconds` for headers, for the first bytes of the body after them, and for reading the answer. A body that
    has begun is limited where it is read. Between two requests uvicorn's own limit holds. Other than uvicorn's, it
    reads the body of a request that offers to speak another protocol, as clients of Java and curl --http2 offer HTTP/2;
    and it writes nothing in the log for bytes that are not HTTP.
    """

    def __init__(self, *arguments: Any, seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._seconds = seconds
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._is_in_headers, self._is_going_on, self._headers_size = False, False, 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        self.transport = _Transport(transport)  # type: ignore[assignment]
        self._reading = self.loop.call_later(self._seconds, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on waiting if headers have begun, and not ended, or if their body has not begun."""
        self._headers_size += len(data)
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._is_in_headers and self._headers_size > _HEADERS:
            self.send_400_response(f"The headers of the request are longer than {_HEADERS} bytes.")
        elif self._is_in_headers or (self.cycle is not None and self.cycle.more_body and not self.cycle.body):
            if self._reading is None:
                self._reading = self.loop.call_later(self._seconds, self.transport.abort)
        elif self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _parse(self, data: bytes | memoryview) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # The parser takes it that HTTP ends here.
                data = memoryview(data)[upgrade.args[0] :]
                framing = b"".join(
                    b"%b: %b\r\n" % header
                    for header in self.headers
                    if header[0] in (b"content-length", b"transfer-encoding")
                )
                if framing:
                    # As if the body were that of another request, which has no other effect.
                    self._is_going_on = self.cycle.more_body = True
                    self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)

    def on_message_begin(self) -> None:
        """Headers begin."""
        if not self._is_going_on:
            self._is_in_headers, self._headers_size = True, 0
            super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Headers end."""
        if self._is_going_on:
            self._is_going_on = False
        else:
            self._is_in_headers = False
            super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A response ends."""
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client has not read what was sent."""
        super().pause_writing()
        self._writing = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read it."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
