"""What a process that is fed inputs shows to the one that watches it, in memory that both have."""

import mmap
import struct
import time

_HEAD = struct.Struct("<QdQ")
# Longer inputs are cut.
MOST_BYTES = 2**20


class Board:
    """How many inputs were begun, which one is being read, and since when."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD.size + MOST_BYTES)
        self._count = 0

    def begin(self, data: bytes) -> None:
        """Show that `data` is read from now on."""
        self._count += 1
        self._memory[_HEAD.size : _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, 0, self._count, time.monotonic(), len(data))

    def rest(self) -> None:
        """Show that nothing is read."""
        _HEAD.pack_into(self._memory, 0, self._count, 0, 0)

    @property
    def count(self) -> int:
        """How many inputs were begun."""
        return int(_HEAD.unpack_from(self._memory)[0])

    @property
    def seconds(self) -> float:
        """For how long the present input is being read; 0 if there is none."""
        begun = _HEAD.unpack_from(self._memory)[1]
        return time.monotonic() - begun if begun else 0.0

    @property
    def data(self) -> bytes:
        """The present input."""
        length = _HEAD.unpack_from(self._memory)[2]
        return bytes(self._memory[_HEAD.size : _HEAD.size + length])
