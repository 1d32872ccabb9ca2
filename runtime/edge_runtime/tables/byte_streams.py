"""The text of a file as bytes of UTF-8: unpacked, and converted from other encodings, in bounded memory."""

import codecs
import contextlib
import io
import lzma
import os
import select
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.file_kinds import what_else
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.opened_files import most_unpacked, open_file, too_much
from edge_runtime.contract.terminal import printable, shortened, unreadable
from edge_runtime.tables.pipes import Behind, Stdin

# How packed files begin, and what Arrow calls the packing.
_PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ": "xz",
}
# How much is converted, or taken from a pipe, at a time.
_BLOCK = 1 << 20
_LOOKED_AT = 16
STDIN = "-"


def packing_of(start: bytes) -> str | None:
    """How a file that begins with `start` is packed; None if it is not."""
    return next((packing for magic, packing in _PACKINGS.items() if start.startswith(magic)), None)


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Raise InvalidInput for what goes wrong while the file at `path` is read."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise InvalidInput(f"{printable(path)} is damaged: {error}") from error
    except OSError as error:  # from the disk, or from Arrow if packed data are damaged
        if isinstance(error, InvalidInput):
            raise
        reason = f"is damaged: {first_line(error)}"
        raise InvalidInput(
            f"{printable(path)} {reason}" if error.strerror is None else unreadable(Path(path), error)
        ) from error
    except UnicodeError as error:
        raise InvalidInput(f"{printable(path)} is not text in the encoding that was given: {error}") from error


def first_line(error: Exception) -> str:
    """The first line of an error's message."""
    return shortened(str(error).strip().split("\n", 1)[0].rstrip("."))


class ByteStream:
    """The bytes of one file or pipe, unpacked.

    Attributes:
        name: what messages call it.
        is_seekable: whether it can be opened again, as files can, and pipes cannot.
        packing: how it is packed; None if it is not.
        start: its first bytes, unpacked.
        most: how many bytes of it may be kept in memory once it is unpacked; None for any number.
    """

    def __init__(self, path: str, limits: Limits, are_kept: bool = False) -> None:
        """Open the file at `path`, or standard input for `-`.

        Args:
            path: the file, or a pipe.
            limits: how long to wait for a pipe.
            are_kept: whether all of what is read stays in memory, so that no more is unpacked than the limits allow.

        Raises:
            OSError: it cannot be opened.
        """
        self.name = "stdin" if path == STDIN else path
        self._file: Any = Stdin() if path == STDIN else open_file(path, limits)
        try:
            self._open(path, limits, are_kept)
        except BaseException:
            self._file.close()
            raise

    def _open(self, path: str, limits: Limits, are_kept: bool) -> None:
        self.is_seekable = self._file.seekable()
        start = self._file.read(_LOOKED_AT) or b""
        # A pipe may give less than was asked for, and need not give more before its first line is answered.
        while 0 < len(start) < 6 and b"\n" not in start and (more := self._file.read(6)):
            start += more
        self.packing, self._unpacked, self._count = packing_of(start), None, 0
        try:
            self.most = most_unpacked(self._file.fileno(), limits)
        except io.UnsupportedOperation:  # an object in the place of stdin
            self.most = limits.unpacked_bytes
        self._most = self.most if are_kept and self.packing else None
        if self.packing is not None:
            self._unpacked = self._unpacking(path, start)
            start = self._unpacked.read(_LOOKED_AT)
        self.start = self._pending = start

    def _unpacking(self, path: str, start: bytes) -> Any:
        if self.is_seekable:
            self._file.seek(0)
            if self.packing == "xz":
                return lzma.LZMAFile(self._file)
            # Arrow's own file: its threads must not call Python.
            self._file.close()
            self._file = pa.OSFile(path)
            return pa.CompressedInputStream(self._file, self.packing)
        raw = io.BufferedReader(Behind(start, self._file))
        if self.packing == "xz":
            return lzma.LZMAFile(raw)
        if self.packing == "gzip":
            import gzip

            return gzip.GzipFile(fileobj=raw)
        return pa.CompressedInputStream(pa.PythonFile(raw, "r"), self.packing)

    def read(self, size: int, is_live: bool = False) -> bytes:
        """The next bytes, empty at the end.

        Args:
            size: how many, at least 1; fewer only at the end.
            is_live: whether to return what there is as soon as there is something.
        """
        blocks = [self._some(size, is_live)]
        found = len(blocks[0])
        while blocks[-1] and found < size and (not is_live or self._has_more()):
            blocks.append(self._some(size - found, is_live))
            found += len(blocks[-1])
        self._count += found
        if self._most is not None and self._count > self._most:
            raise InvalidInput(too_much(self.name, self._most))
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _some(self, size: int, is_live: bool) -> bytes:
        if self._pending:
            found, self._pending = self._pending, b""
        elif self._unpacked is None:
            found = self._file.read(size)
        elif is_live and hasattr(self._unpacked, "read1"):
            found = self._unpacked.read1(size)
        else:
            found = self._unpacked.read(size)
        return found

    def _has_more(self) -> bool:
        """Whether something more is there already."""
        if self._unpacked is not None or os.name == "nt":
            return False
        try:
            return bool(self._pending) or bool(select.select([self._file], [], [], 0)[0])
        except io.UnsupportedOperation:  # an object in the place of stdin
            return False

    def skip(self, size: int) -> None:
        """Leave out the next `size` bytes."""
        if self._unpacked is None and self.is_seekable:
            self._file.seek(size - len(self._pending), io.SEEK_CUR)
            self._pending = b""
            return
        while size and (found := self.read(min(size, _BLOCK))):
            size -= len(found)

    @property
    def on_disk(self) -> int:
        """How many bytes of the file itself have been read; 0 of a pipe."""
        return int(self._file.tell()) if self.is_seekable else 0

    def close(self) -> None:
        """Close the file."""
        if self._unpacked is not None:
            self._unpacked.close()
        self._file.close()


class Utf8Stream:
    """Text of any encoding as bytes of UTF-8, without a byte order mark.

    Attributes:
        encoding: of the file; None to find it from its beginning.
    """

    def __init__(self, stream: ByteStream, encoding: str | None) -> None:
        """Take an open stream. What cannot be text is refused.

        Raises:
            InvalidInput: it is of a format that is not text, or there is no such encoding.
        """
        self._stream = stream
        with reading(stream.name):
            self._pending = stream.read(16, is_live=True)
            while 0 < len(self._pending) < 4 and (more := stream.read(1, is_live=True)):
                self._pending += more
        found = _encoding_of(self._pending)
        if encoding is None:
            if found is None and (other := what_else(self._pending)) is not None:
                raise InvalidInput(f"{printable(stream.name)} {other}")
            encoding = found or "utf-8"
        self.encoding = checked_encoding(encoding)
        mark = codecs.BOM_UTF8 if self.encoding == "utf-8" else b""
        self._mark = len(mark) if mark and self._pending.startswith(mark) else 0
        self._pending = self._pending[self._mark :]
        decoder = codecs.getincrementaldecoder(self.encoding)
        self._decoder = None if self.encoding == "utf-8" else decoder()
        self._is_first, self._left = True, b""

    def read(self, size: int, is_live: bool = False) -> bytes:
        """The next bytes, about `size` of them, empty at the end; at once what there is if `is_live`."""
        with reading(self._stream.name):
            if self._decoder is None:
                if self._left:
                    left, self._left = self._left, b""
                    return left
                if not self._pending:
                    return self._stream.read(size, is_live)
                found, self._pending = self._pending, b""
                if len(found) < size and not is_live:
                    found += self._stream.read(size - len(found))
                return found
            blocks, self._left = [self._left], b""
            while sum(map(len, blocks)) < size:
                block = self._pending or self._stream.read(size if is_live else _BLOCK, is_live)
                self._pending = b""
                text = self._decoder.decode(block, final=not block)
                if self._is_first and text:
                    text, self._is_first = text.removeprefix("\ufeff"), False
                blocks.append(text.encode())
                if not block or (is_live and any(blocks)):
                    break
            return b"".join(blocks)

    def put_back(self, content: bytes) -> None:
        """Make `content`, bytes of UTF-8 that were read, the next ones again."""
        self._left = content + self._left

    def skip(self, size: int) -> None:
        """Leave out the next `size` bytes."""
        with reading(self._stream.name):
            if self._decoder is None:
                passed = min(size, len(self._pending))
                self._pending = self._pending[passed:]
                self._stream.skip(size - passed)
                return
        while size > 0:
            found = self.read(size)
            if not found:
                return
            if len(found) > size:
                self._left = found[size:]
            size -= len(found)

    @property
    def on_disk(self) -> int:
        """How many bytes of the file itself have been read; 0 of a pipe."""
        return self._stream.on_disk

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def checked_encoding(name: str) -> str:
    """The usual name of an encoding of text.

    Raises:
        InvalidInput: there is none of this name.
    """
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise InvalidInput(f"there is no encoding {printable(name)!r}; use such as utf-8, cp1252, latin-1 or utf-16")
    return "utf-8" if found.name in ("utf-8", "utf-8-sig", "ascii") else found.name


def _encoding_of(start: bytes) -> str | None:
    """The encoding that the first bytes of a text show; None if they show none."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return encoding
    # Letters of ASCII with zeros between them.
    if len(start) >= 4 and not any(start[1:4:2]) and all(start[0:4:2]):
        return "utf-16-le"
    if len(start) >= 4 and not any(start[0:4:2]) and all(start[1:4:2]):
        return "utf-16-be"
    return None
