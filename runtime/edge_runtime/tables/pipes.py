"""Standard input, and pipes of which something has been read, as raw files."""

import io
import sys
from typing import Any

from edge_runtime.contract.errors import InvalidInput


class Stdin(io.RawIOBase):
    """Standard input, with what has been looked at already."""

    def __init__(self) -> None:
        if sys.stdin is None:
            raise InvalidInput("stdin is closed; pipe rows to it")
        self._file: Any = sys.stdin.buffer
        self._pending = b""
        if isinstance(self._file, io.BufferedReader):
            # A thread that waits in a buffered reader would end the process by a signal when Python ends.
            self._pending = self._file.read1(len(self._file.peek(1)))
            self._file = self._file.raw

    def readable(self) -> bool:
        """As files do it."""
        return True

    def read(self, size: int = -1) -> bytes:
        """What there is, `size` bytes at most; empty at the end."""
        found: bytes = self._pending[:size] or self._file.read(size)
        self._pending = self._pending[size:]
        return found

    def readinto(self, buffer: Any) -> int:
        """As `read`."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def fileno(self) -> int:
        """The descriptor."""
        return int(self._file.fileno())


class Behind(io.RawIOBase):
    """A pipe from which `start` has been read already."""

    def __init__(self, start: bytes, file: Any) -> None:
        self._start, self._file = start, file

    def readable(self) -> bool:
        """As files do it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As `read`."""
        if self._start:
            count = min(len(buffer), len(self._start))
            buffer[:count], self._start = self._start[:count], self._start[count:]
            return count
        found: int = self._file.readinto(buffer)
        return found
