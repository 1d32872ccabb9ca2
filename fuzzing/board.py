"""What a process that is fed inputs shows to the one that watches it, in memory that both have."""

import mmap
import time

_HEAD = 32
# Longer inputs are cut.
MOST_BYTES = 2**20


class Board:
    """How many inputs there are to begin with, how many were begun, which one is being read, and since when.

    The process that writes may be killed at any moment, and be read at any other. So each number is aligned and written
    by one store: `struct` writes zeros first, and a number byte by byte.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD + MOST_BYTES)
        head = memoryview(self._memory)[:_HEAD]
        # The inputs to begin with, those that were begun, and the length of the present one.
        self._numbers, self._begun = head[:24].cast("Q"), head[24:].cast("d")

    def begin(self, data: bytes) -> None:
        """Show that `data` is read from now on."""
        self._memory[_HEAD : _HEAD + len(data)] = data
        self._numbers[2] = len(data)
        self._numbers[1] += 1
        self._begun[0] = time.monotonic()

    def rest(self) -> None:
        """Show that nothing is read."""
        self._begun[0] = 0

    @property
    def known(self) -> int:
        """How many inputs there are to begin with; 0 as long as the target is being prepared."""
        return self._numbers[0]

    @known.setter
    def known(self, count: int) -> None:
        self._numbers[0] = count

    @property
    def count(self) -> int:
        """How many inputs were begun."""
        return self._numbers[1]

    @property
    def seconds(self) -> float:
        """For how long the present input is being read; 0 if there is none."""
        begun = self._begun[0]
        return time.monotonic() - begun if begun else 0.0

    @property
    def data(self) -> bytes:
        """The present input."""
        return self._memory[_HEAD : _HEAD + self._numbers[2]]
