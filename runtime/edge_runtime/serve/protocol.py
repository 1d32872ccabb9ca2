"""Connections that end if the client is too slow, as uvicorn's own would not."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class LimitedProtocol(HttpToolsProtocol):
    """Closes a connection when headers do not arrive, or an answer is not read, within `seconds`.

    Bodies are limited where they are read. Between two requests uvicorn's own limit holds.
    """

    def __init__(self, *arguments: Any, seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._seconds = seconds
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._is_in_headers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        self._reading = self.loop.call_later(self._seconds, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on waiting if headers have begun, and have not ended."""
        super().data_received(data)
        if self._is_in_headers:
            if self._reading is None:
                self._reading = self.loop.call_later(self._seconds, self.transport.abort)
        elif self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def on_message_begin(self) -> None:
        """Headers begin."""
        self._is_in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Headers end."""
        self._is_in_headers = False
        super().on_headers_complete()

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
