"""The fields of messages of Protocol Buffers, without a copy of what they hold.

https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from typing import BinaryIO, TypeAlias

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT = 10
_TAGS = 2**32

_WINDOW = 64 * 1024


class Damaged(Exception):
    """These bytes are not a message, or have what no writer of ONNX files writes."""


class FileBytes:
    """The bytes of a file, read where they are asked for.

    It is not mapped: a process that reads from a mapped file ends by a signal if another one cuts the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        """The bytes of `file`, which is not buffered."""
        self._file = file
        self._size = file.seek(0, 2)
        self._start, self._window = 0, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int) -> int:
        within = place - self._start
        if not 0 <= within < len(self._window):
            self._start, within = place, 0
            self._window = self._read(place, _WINDOW)
        return self._window[within]

    def between(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`."""
        within = start - self._start
        if within >= 0 and stop - self._start <= len(self._window):
            return self._window[within : stop - self._start]
        return self._read(start, stop - start)

    def _read(self, place: int, count: int) -> bytes:
        self._file.seek(place)
        return self._file.read(count)


Bytes: TypeAlias = bytes | FileBytes


def fields(data: Bytes, at: int, end: int) -> Iterator[tuple[int, bool, int, int]]:
    """The fields of the message from `at` up to `end`.

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
            if kind == _LENGTH:
                size = data[at]
                at += 1
                if size > 127:
                    size, at = _varint(data, at - 1)
                stop = at + size
            elif kind == _VARINT:
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
            yield tag >> 3, kind == _LENGTH, at, stop
            at = stop
    except IndexError:
        raise Damaged from None


def content(data: Bytes, start: int, stop: int) -> bytes:
    """The bytes from `start` up to `stop`."""
    return data[start:stop] if isinstance(data, bytes) else data.between(start, stop)


def number(data: Bytes, start: int) -> int:
    """The integer that begins at `start`, in a field that `fields` has given."""
    return _varint(data, start)[0]


def _varint(data: Bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MOST_VARINT):
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise Damaged
