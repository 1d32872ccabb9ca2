"""A text file that is looked at, and then read: once, if it is a pipe."""

import contextlib
import io
from collections.abc import Iterator

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.terminal import printable
from edge_runtime.tables.byte_streams import ByteStream, Utf8Stream, reading

# So much of a file is looked at; of a pipe what has come first.
_SAMPLE = 1 << 20


class TextSource:
    """A text file, or a pipe.

    Attributes:
        name: what messages call it.
        limits: how much may be read.
        encoding: the codec of its text.
        is_live: whether it is a pipe, of which lines are to be given on as they come.
    """

    def __init__(self, path: str, opened: ByteStream, limits: Limits, encoding: str | None, are_kept: bool) -> None:
        """Look at its beginning, in the `opened` stream of `path`. Raises InvalidInput if it is not text."""
        self._path, self.limits, self._are_kept = path, limits, are_kept
        with reading(path):
            stream = Utf8Stream(opened, encoding)
            self.name, self.encoding, self.is_live = opened.name, stream.encoding, not opened.is_seekable
            self.sample = stream.read(_SAMPLE, self.is_live)
            # A line at least.
            most = limits.line_bytes or 1 << 62
            while not self._has_line() and len(self.sample) <= most:
                more = stream.read(_SAMPLE, self.is_live)
                if not more:
                    break
                self.sample += more
        self._pipe = stream if self.is_live else None
        if not self.is_live:
            stream.close()

    def _has_line(self) -> bool:
        text = self.sample.lstrip()
        return (b"\n" in text or b"\r" in text) and text.count(
            b'"', 0, max(text.find(b"\n"), text.find(b"\r"))
        ) % 2 == 0

    def sample_lines(self) -> list[str]:
        """The lines at its beginning, the last of them perhaps not whole; with surrogates for what is not UTF-8."""
        return list(io.StringIO(self.sample.decode(errors="surrogateescape"), newline=""))

    def look_further(self) -> bool:
        """Put more of a pipe into the sample, once it comes; False at the end, of a file, and of a line too long."""
        with reading(self.name):
            more = self._pipe.read(_SAMPLE, True) if self._pipe is not None else b""
        self.sample += more
        return bool(more) and len(self.sample) <= (self.limits.line_bytes or 1 << 62)

    def forget_sample(self) -> None:
        """Free the memory of the sample, unless it is all that is left of what a pipe gave."""
        if not self.is_live:
            self.sample = b""

    def close(self) -> None:
        """Close the pipe, unless it is being read."""
        if self._pipe is not None:
            self._pipe.close()

    @contextlib.contextmanager
    def opened(self, position: int) -> Iterator[Utf8Stream]:
        """Its text from a position on."""
        with reading(self.name):
            if self._pipe is not None:
                stream, self._pipe = self._pipe, None
                stream.put_back(self.sample[position:])
            elif self.is_live:
                raise InvalidInput(f"{printable(self.name)} is a pipe, which can be read only once")
            else:
                stream = Utf8Stream(ByteStream(self._path, self.limits, self._are_kept), self.encoding)
                stream.skip(position)
        try:
            yield stream
        finally:
            stream.close()
