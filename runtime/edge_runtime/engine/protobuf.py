"""The fields of messages of Protocol Buffers, without a copy of what they hold.

https://protobuf.dev/programming-guides/encoding/
"""

import functools
import os
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeAlias

# The kinds of fields, in the last three bits of a tag.
VARINT, _FIXED64, LENGTH, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT = 10
_TAGS = 2**32

# So much of a file is read at a time: little where something was skipped, and more if what follows is read on.
_WINDOW, _MOST_WINDOW = 4 * 1024, 64 * 1024


def _tags(kind: int) -> bytes:
    return b"[" + b"".join(re.escape(bytes([number << 3 | kind])) for number in range(1, 16)) + b"]"


@functools.cache
def _numbers() -> re.Pattern[bytes]:
    """Fields up to 15 that have no length, one after the other.

    Without `(?!)`, which never matches, Python before 3.11.5 takes the tag of a field that is cut for one of them (its
    issue 106052).
    """
    tags = tuple(map(_tags, (VARINT, _FIXED64, _FIXED32)))
    return re.compile(b"(?:%b[\x80-\xff]{0,9}+[\x00-\x7f]|%b.{8}|%b.{4}|(?!))++" % tags, re.DOTALL)


class Damaged(Exception):
    """These bytes are not a message, or have what no writer of ONNX files writes."""


class FileBytes:
    """The bytes of a file, read where they are asked for.

    It is not mapped: a process that reads from a mapped file ends by a signal if another one cuts the file.
    """

    def __init__(self, path: str) -> None:
        """The bytes of the file `path`, which is open until the `with` statement with this ends."""
        # A file object would take twice as long.
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._size = os.lseek(self._descriptor, 0, os.SEEK_END)
        self._start, self._window, self._size_read = -1, b"", 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int) -> int:
        within = place - self._start
        if not 0 <= within < len(self._window):
            self._move(place)
            within = 0
        return self._window[within]

    def between(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`."""
        within = start - self._start
        if within >= 0 and stop - self._start <= len(self._window):
            return self._window[within : stop - self._start]
        return self._read(start, stop - start)

    def numbers_end(self, start: int, stop: int) -> int:
        """As the function of this name, up to the end of what was read at a time. The byte at `start` was read last."""
        found = _numbers().match(self._window, start - self._start, stop - self._start)
        return start if found is None else self._start + found.end()

    def _move(self, place: int) -> None:
        goes_on = 0 <= place - self._start - len(self._window) < len(self._window)
        self._size_read = min(2 * self._size_read, _MOST_WINDOW) if goes_on else _WINDOW
        self._start, self._window = place, self._read(place, self._size_read)

    def _read(self, place: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, count, place)
        # On Windows.
        os.lseek(self._descriptor, place, os.SEEK_SET)
        return os.read(self._descriptor, count)


Bytes: TypeAlias = bytes | FileBytes


def fields(data: Bytes, at: int, end: int, numbers: bool = True) -> Iterator[tuple[int, bool, int, int]]:
    """The fields of the message from `at` up to `end`.

    Args:
        data: the bytes.
        at: where the message begins.
        end: where it ends.
        numbers: whether those up to 15 that have no length are wanted too. If not, most of them are skipped, and
            millions of them take no time.

    Returns:
        For each field its number, whether it has a length, as messages and texts have, and where its content begins and
        ends.

    Raises:
        Damaged: it is not a message.
    """
    try:
        while at < end:
            tag = data[at]
            at += 1
            if tag > 127:
                tag, at = _varint(data, at - 1)
                if tag >= _TAGS:
                    # ONNX Runtime reads 32 bits of it, and so another field.
                    raise Damaged
            kind = tag & 7
            if kind == LENGTH:
                size = data[at]
                at += 1
                if size > 127:
                    size, at = _varint(data, at - 1)
                stop = at + size
            elif not numbers and (after := _numbers_end(data, at - 1, end)) >= at:
                at = after
                continue
            elif kind == VARINT:
                stop = at + 1
                while data[stop - 1] > 127:
                    stop += 1
            elif kind in (_FIXED64, _FIXED32):
                stop = at + (8 if kind == _FIXED64 else 4)
            else:
                # Groups, which ONNX does not have.
                raise Damaged
            if stop > end:
                raise Damaged
            yield tag >> 3, kind == LENGTH, at, stop
            at = stop
    except IndexError:
        raise Damaged from None


def _numbers_end(data: Bytes, start: int, stop: int) -> int:
    """Where the fields without a length end that begin at `start`; `start` itself if none does."""
    if not isinstance(data, bytes):
        return data.numbers_end(start, stop)
    found = _numbers().match(data, start, stop)
    return start if found is None else found.end()


def content(data: Bytes, start: int, stop: int) -> bytes:
    """The bytes from `start` up to `stop`."""
    return data[start:stop] if isinstance(data, bytes) else data.between(start, stop)


def number_at(data: Bytes, start: int) -> int:
    """The integer that begins at `start`, in a field that `fields` has given."""
    return _varint(data, start)[0]


def written(number: int, value: bytes | int) -> bytes:
    """The field `number` with this content, or with this integer, which is not negative, as a message holds it."""
    if isinstance(value, int):
        return _encoded(number << 3) + _encoded(value)
    return _encoded(number << 3 | LENGTH) + _encoded(len(value)) + value


def _encoded(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _varint(data: Bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MOST_VARINT):
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise Damaged
