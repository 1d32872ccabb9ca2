"""A table's file as Arrow reads it: within limits, and without what would end the process in Arrow."""

import codecs
import contextlib
import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.json_depth import levels, too_deep
from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.opened_files import most_unpacked, too_much
from edge_runtime.contract.terminal import counted
from edge_runtime.contract.text_files import OpenedText
from edge_train.errors import TableError

# How many bytes of JSON Arrow reads at a time, at least: it takes all types from the first ones.
_BLOCK = 64 << 20
# So much is searched at a time, which fits into the processor's cache.
_SEARCHED = 1 << 20
_LOOKED_AT = 1 << 12
_RETURNS = bytes.maketrans(b"\r", b"\n")
_OPENING, _CLOSING, _LINE_END, _RETURN = b"{}\n\r"


@dataclass(frozen=True)
class Source:
    """A table's file.

    Attributes:
        path: where it is.
        is_gzip: whether it is compressed.
        limits: how much may be read of it.
    """

    path: Path
    is_gzip: bool
    limits: Limits

    @property
    def most(self) -> int | None:
        """How many bytes it may hold once it is unpacked."""
        with self.path.open("rb") as file:
            return most_unpacked(file.fileno(), self.limits)

    def stream(self) -> Any:
        """What Arrow reads it from.

        Arrow's threads must not call Python while they read: a process that ends right after an error, while one of
        them does, aborts or stands still.
        """
        return pa.input_stream(self.path, compression="gzip" if self.is_gzip else None)

    def buffers(self, size: int) -> Iterator[pa.Buffer]:
        """Its content, `size` bytes at a time.

        Raises, as they are read:
            TableError: it is compressed, and holds more than the limits allow.
        """
        most, count = self.most if self.is_gzip else None, 0
        with self.stream() as stream:
            while (buffer := stream.read_buffer(size)).size:
                count += buffer.size
                if most is not None and count > most:
                    raise TableError(too_much(self.path, most))
                yield buffer

    def json_stream(self) -> Any:
        """What Arrow reads it from, if it is JSON Lines. It is looked through before.

        Raises:
            TableError: it holds more than the limits allow, JSON in it is nested too deeply, or a line is too long.
            pyarrow.ArrowInvalid: a line is null.
        """
        checked = _CheckedJson(self)
        for buffer in self.buffers(self.json_block):
            checked.add(memoryview(buffer))
        return self.stream()

    @property
    def json_block(self) -> int:
        """How many bytes of JSON Arrow reads at a time. A line has to fit in."""
        return min(max(_BLOCK, self.limits.line_bytes or 0), 2**31 - 1)

    @contextlib.contextmanager
    def lines(self) -> Iterator[Iterator[str]]:
        """Its lines, with surrogates for what is not UTF-8. Raises TableError as they are read, if one is too long."""
        with self.path.open("rb") as file:
            unpacked: Any = gzip.GzipFile(fileobj=file) if self.is_gzip else file
            with OpenedText(unpacked, str(self.path), self.limits) as text:
                try:
                    yield text.lines(errors="surrogateescape")
                except InvalidInput as error:
                    raise TableError(str(error)) from error


class _CheckedJson:
    """JSON Lines of which no line is too long or null, and no value is nested too deeply."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._most = source.limits.line_bytes or math.inf
        # The level of nesting at the end of the last whole line, and the line that has begun after it.
        self._level, self._begun = 0, b""

    def add(self, content: memoryview) -> None:
        """Check what follows."""
        start = _line_end(content, 0)
        self._begun += content[:start]
        if start:
            self._level = self._checked(memoryview(self._begun))
            end = _last_line_end(content, len(content))
            while start < end:
                stop = _last_line_end(content[:end], start + _SEARCHED)
                stop = stop if stop > start else _line_end(content, start)
                self._level = self._checked(content[start:stop])
                start = stop
            self._begun = bytes(content[end:])
        else:
            self._begun += content
        # The last line of a file may end without a line break.
        self._checked(memoryview(self._begun))

    def _checked(self, lines: memoryview) -> int:
        """The level at the end of `lines`."""
        codes = np.frombuffer(lines, np.uint8)
        ends = np.flatnonzero(codes == _LINE_END)
        if len(lines) > self._most and np.diff(ends, prepend=-1, append=len(lines)).max() - 1 > self._most:
            longest = counted(self._most, "byte")
            raise TableError(f"{self._source.path} has a line of more than {longest}{how_to_raise('line_bytes')}")
        most = self._source.limits.json_depth or math.inf
        begin_with_objects = len(ends) > 0 and codes[0] == _OPENING and bool((codes[ends[:-1] + 1] == _OPENING).all())
        if begin_with_objects and not self._level and _are_objects(codes, ends, most):
            return 0
        content = bytes(lines)
        # Arrow takes such a line for an object, and crashes on it if there is none.
        if b"\nn" in (b"\n" + content.removeprefix(codecs.BOM_UTF8)).translate(_RETURNS, b" \t"):
            raise pa.ArrowInvalid("a line is null")
        deepest, level = levels(content, self._level)
        if deepest > most:
            raise TableError(f"{self._source.path}: {too_deep(self._source.limits)}")
        return level


def _are_objects(lines: npt.NDArray[np.uint8], ends: npt.NDArray[np.intp], most: float) -> bool:
    """Whether each of these lines, which begin with `{` and end at `ends`, is an object of `most` levels at most.

    So it is in almost all files, and this takes a fraction of the time of following strings and brackets. False if in
    doubt; True also if a line is not JSON. After `}` and a line break, no reader goes on at `{` within an object, a
    list or a string. So it is never deeper than one line has openings.
    """
    if ends[-1] != len(lines) - 1:
        return False
    last = lines[ends - 1]
    if (np.where(last == _RETURN, lines[ends - 2], last) != _CLOSING).any():
        return False
    # With this bit set, [ is {.
    are_openings = lines | 0x20 == _OPENING
    count = np.count_nonzero(are_openings)
    if count == len(ends) or count <= most:
        return True
    line = np.searchsorted(ends, np.flatnonzero(are_openings))
    return not (line[int(most) :] == line[: -int(most)]).any()


def _line_end(content: memoryview, start: int) -> int:
    """The place after the next line break, 0 if there is none."""
    for place in range(start, len(content), _LOOKED_AT):
        if (found := bytes(content[place : place + _LOOKED_AT]).find(b"\n")) >= 0:
            return place + found + 1
    return 0


def _last_line_end(content: memoryview, stop: int) -> int:
    """The place after the last line break before `stop`, 0 if there is none."""
    for place in range(min(stop, len(content)), 0, -_LOOKED_AT):
        start = max(0, place - _LOOKED_AT)
        if (found := bytes(content[start:place]).rfind(b"\n")) >= 0:
            return start + found + 1
    return 0
