"""UTF-8 text files: opening them, reading them in bounded memory, and errors that say what is wrong with them."""

import contextlib
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from edge_runtime.contract.errors import EdgePredictError, InvalidInput
from edge_runtime.contract.file_kinds import GZIP, what_else
from edge_runtime.contract.limits import DEFAULTS, Limits, how_to_raise
from edge_runtime.contract.opened_files import most_unpacked, open_file, too_much
from edge_runtime.contract.terminal import counted, unreadable

# So much is read at a time: enough that its own cost is small, little enough for the cache.
_BLOCK = 16 * 1024
# The first bytes of a file tell what it is.
_LOOKED_AT = 16
# So many bytes before one that is not UTF-8 are shown.
_SHOWN = 40


class _NotText(InvalidInput):
    """It is of another format. `reading_text` makes an error of its caller's kind of it."""


class OpenedText:
    """A text that is read once: line by line, or as a whole. Read it within `reading_text`.

    Attributes:
        name: what to call it in messages.
    """

    def __init__(self, binary: Any, name: str, limits: Limits = DEFAULTS, *, around: Any = None) -> None:
        """Take a file of UTF-8 text, with or without a byte order mark.

        Args:
            binary: the file, opened for reading bytes.
            name: what to call it in messages.
            limits: how long a line may be.
            around: the file that `binary` unpacks, which is to be closed too.
        """
        self._binary, self.name, self._limits, self._around = binary, name, limits, around

    def __enter__(self) -> "OpenedText":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._binary.close()
        if self._around is not None:
            self._around.close()

    def lines(self, *, are_kept: bool = False, errors: str = "strict") -> TextIO:
        """The lines, with their ends as they are.

        Args:
            are_kept: whether all that is read stays in memory.
            errors: what becomes of bytes that are not UTF-8, as `open` takes it.

        Raises, as they are read:
            InvalidInput: a line is longer than `Limits.line_bytes`; or all lines are longer than
                `Limits.unpacked_bytes`, and are kept; or it is of another format, such as Parquet.
        """
        most = most_unpacked(self.fileno(), self._limits) if are_kept else None
        buffer: Any = _BoundedLines(self._binary, self.name, self._limits.line_bytes, most)
        # Kept, because it closes the file when nobody refers to it.
        self._text = io.TextIOWrapper(buffer, encoding="utf-8-sig", errors=errors, newline="")
        return self._text

    def whole(self) -> str:
        """All of the text.

        Raises:
            InvalidInput: it is longer than `Limits.line_bytes`, or of another format.
        """
        blocks: list[bytes] = []
        size, most = 0, self._limits.line_bytes
        while block := self._binary.read1(_BLOCK):
            if not blocks:
                _check_is_text(block, self.name)
            blocks.append(block)
            size += len(block)
            if most is not None and size > most:
                raise InvalidInput(f"{self.name} is longer than {counted(most, 'byte')}{how_to_raise('line_bytes')}")
        return b"".join(blocks).decode("utf-8-sig")

    def fileno(self) -> int:
        """The descriptor of the file itself, compressed or not."""
        number: int = (self._around or self._binary).fileno()
        return number


class _BoundedLines(io.BufferedIOBase):
    """The bytes of `binary`, as long as no line is longer than `longest` bytes, and all are not more than `most`."""

    def __init__(self, binary: Any, name: str, longest: int | None, most: int | None) -> None:
        self._binary, self._name = binary, name
        self._longest, self._most = longest or math.inf, most or math.inf
        self._line = self._all = 0
        self._block = int(min(_BLOCK, self._longest))

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1) -> bytes:
        block: bytes = self._binary.read1(self._block)
        if not self._all:
            _check_is_text(block, self._name)
        self._all += len(block)
        if self._all > self._most:
            raise InvalidInput(too_much(self._name, int(self._most)))
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        # A line within a block is not too long.
        line = self._line + len(block)
        if last >= 0:
            line = self._line + min(place for place in (block.find(b"\n"), block.find(b"\r")) if place >= 0)
        self._line = line if last < 0 else len(block) - last - 1
        if line > self._longest:
            most = counted(self._longest, "byte")
            raise InvalidInput(f"{self._name} has a line of more than {most}{how_to_raise('line_bytes')}")
        return block

    def close(self) -> None:
        self._binary.close()
        super().close()


def open_text(path: str, limits: Limits = DEFAULTS) -> OpenedText:
    """Open a file of UTF-8 text; with gzip if its name ends in .gz. Call it within `reading_text`.

    Raises:
        InvalidInput: it is of another format, such as Parquet.
        OSError: as `open_file`.
    """
    buffered = io.BufferedReader(open_file(path, limits), _BLOCK)
    is_gzip = path.lower().endswith(".gz")
    try:
        # Of a pipe there may be nothing to look at yet.
        start = buffered.peek(_LOOKED_AT) if buffered.seekable() else b""
        if not is_gzip:
            _check_is_text(start, path)
        elif start and not start.startswith(GZIP):
            raise _NotText(f"{path} is not a gzip file; its name should end without .gz")
    except BaseException:
        buffered.close()
        raise
    if is_gzip:
        # Most files are not compressed.
        import gzip

        return OpenedText(gzip.GzipFile(fileobj=buffered), path, limits, around=buffered)
    return OpenedText(buffered, path, limits)


def _check_is_text(start: bytes, name: str) -> None:
    if (found := what_else(start)) is not None:
        raise _NotText(f"{name} {found}")


def delimiter_of(path: str) -> str | None:
    """The character between the columns of a file, by the file's name; None if the name does not tell."""
    return "\t" if path.lower().removesuffix(".gz").endswith((".tsv", ".tab")) else None


@contextlib.contextmanager
def reading_text(source: object, kind: type[EdgePredictError]) -> Iterator[None]:
    """Raise an error of `kind` for everything that goes wrong while the UTF-8 text of `source` is opened and read."""
    try:
        yield
    except _NotText as error:
        raise kind(str(error)) from None
    except UnicodeDecodeError as error:
        # The place is that in the block that was decoded, and says nothing.
        block, start = bytes(error.object), error.start
        before = block[max(0, start - _SHOWN) : start].decode(errors="ignore").splitlines()
        where = f" after {before[-1]!r}" if before else ""
        found = f"{error.reason} 0x{block[start]:02x}{where}"
        raise kind(f"{source} is not UTF-8 text: {found}; save it as UTF-8") from error
    except OSError as error:
        raise kind(unreadable(Path(str(source)), error)) from error
    except (EOFError, zlib.error) as error:
        raise kind(f"{source} is damaged: {error}") from error
