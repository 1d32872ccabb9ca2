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
# Deflate makes no more than 1,032 bytes of one.
_MOST_PACKED = 1032
_COUNTED = 1 << 20
# So much is searched at a time, which fits into the processor's cache.
_SEARCHED = 1 << 20
_LOOKED_AT = 1 << 12
_RETURNS = bytes.maketrans(b"\r", b"\n")
_OPENING, _CLOSING, _LIST, _LINE_END, _RETURN = b"{}[\n\r"


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

        It is looked through before, and not while Arrow reads: Arrow's threads would call Python then, and a process
        that ends right after an error, while one of them does, aborts or stands still.

        Raises:
            TableError: it holds more than the limits allow.
        """
        if self.is_gzip and self.most is not None and self.path.stat().st_size * _MOST_PACKED > self.most:
            for _ in self._buffers(_COUNTED):
                pass
        return self._stream()

    def json_stream(self) -> Any:
        """As `stream`.

        Raises:
            TableError: it holds more than the limits allow, JSON in it is nested too deeply, or a line is too long.
            pyarrow.ArrowInvalid: a line is null.
        """
        checked = _CheckedJson(self)
        for buffer in self._buffers(self.json_block):
            checked.add(memoryview(buffer))
        return self._stream()

    def _stream(self) -> Any:
        return pa.input_stream(self.path, compression="gzip" if self.is_gzip else None)

    def _buffers(self, size: int) -> Iterator[pa.Buffer]:
        most, count = self.most if self.is_gzip else None, 0
        with self._stream() as stream:
            while (buffer := stream.read_buffer(size)).size:
                count += buffer.size
                if most is not None and count > most:
                    raise TableError(too_much(self.path, most))
                yield buffer

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
        if len(lines) > self._most:
            ends = np.flatnonzero(codes == _LINE_END)
            if np.diff(ends, prepend=-1, append=len(lines)).max() - 1 > self._most:
                most = counted(self._most, "byte")
                raise TableError(f"{self._source.path} has a line of more than {most}{how_to_raise('line_bytes')}")
        if not self._level and _are_flat(codes):
            return 0
        content = bytes(lines)
        # Arrow takes such a line for an object, and crashes on it if there is none.
        if b"\nn" in (b"\n" + content.removeprefix(codecs.BOM_UTF8)).translate(_RETURNS, b" \t"):
            raise pa.ArrowInvalid("a line is null")
        deepest, level = levels(content, self._level)
        if deepest > (self._source.limits.json_depth or math.inf):
            raise TableError(f"{self._source.path}: {too_deep(self._source.limits)}")
        return level


def _are_flat(lines: npt.NDArray[np.uint8]) -> bool:
    """Whether each of these lines holds an object without others in it, as in almost all files; False if in doubt.

    This takes a tenth of the time of following strings and brackets. JSON has no line breaks in strings, so that a
    bracket before one closes an object.
    """
    openings = np.flatnonzero(lines == _OPENING)
    if not len(openings) or openings[0] or tuple(lines[-2:]) != (_CLOSING, _LINE_END) or (lines == _LIST).any():
        return False
    before = openings[1:] - 1
    if len(openings) != np.count_nonzero(lines == _LINE_END):
        return False
    before_line_end = lines[before - 1]
    before_line_end = np.where(before_line_end == _RETURN, lines[before - 2], before_line_end)
    return bool((lines[before] == _LINE_END).all() and (before_line_end == _CLOSING).all())


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
