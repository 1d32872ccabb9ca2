"""JSON files: an object on each line, objects one behind the other, or an array of them."""

import json
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.json_depth import levels
from edge_runtime.contract.limits import how_to_raise
from edge_runtime.contract.terminal import counted, printable
from edge_runtime.tables.blocks import Block, Parsed, Place
from edge_runtime.tables.dialect import Dialect
from edge_runtime.tables.json_blocks import JsonBlock, JsonFormat
from edge_runtime.tables.json_records import are_objects, values
from edge_runtime.tables.text_source import TextSource

_BLOCK = 2 << 20
_DEEPEST = 500
_SPACES = b" \t\r\n"


class JsonFile:
    """A JSON file.

    Attributes:
        name: what messages call it.
        names: of the columns, as far as the first lines have them.
        dialect: its encoding.
    """

    # Each object may have other names.
    may_vary = True

    def __init__(self, source: TextSource, dialect: Dialect) -> None:
        """Look at the first lines.

        Raises:
            InvalidInput: none of them is an object.
        """
        self._source, self.name, self._limits = source, source.name, source.limits
        self.dialect: Dialect | None = dialect
        self._format = JsonFormat(source.name, source.limits, {})
        parsed = self._looked_at(source.sample, is_last=False)
        # The first lines of a pipe may not be a whole object yet.
        while (parsed is None or not parsed.batch.num_rows) and source.look_further():
            parsed = self._looked_at(source.sample, is_last=False)
        parsed = parsed or self._looked_at(source.sample, is_last=True)
        if parsed is not None and not parsed.batch.num_rows and parsed.faults:
            fault = parsed.faults[0]
            raise InvalidInput(f"{printable(self.name)} line {fault.line}: {fault.reason}")
        self.names = () if parsed is None else tuple(dict.fromkeys(parsed.batch.schema.names))
        source.forget_sample()

    def _looked_at(self, sample: bytes, is_last: bool) -> Parsed | None:
        """The rows in the first bytes, by which is decided how the file is written; None if there are none yet."""
        text = sample.lstrip(_SPACES)
        self._is_array = text.startswith(b"[")
        # Where the first value may begin.
        self._start = len(sample) - len(text) + 1 if self._is_array else 0
        self._are_lines = not self._is_array and _are_lines(sample)
        self._first_line = 1 + sample.count(b"\n", 0, self._start)
        place = Place(0, self._start, 1, self._first_line)
        block, _, _ = self._block(sample[self._start :], place, is_last, read=0)
        return None if block is None else block.parse()

    def without_header(self, names: Sequence[str]) -> "JsonFile":
        """The same file: its columns always have names."""
        del names
        return self

    def close(self) -> None:
        """Close it, if it is a pipe that nothing has been read of."""
        self._source.close()

    def check_header(self) -> None:
        """Its columns always have names."""

    def first_place(self, file: int, row: int) -> Place:
        """Where its rows begin."""
        return Place(file, self._start, row, self._first_line)

    def blocks(self, place: Place, columns: Collection[str] | None) -> Iterator[Block]:
        """The rows from `place` on."""
        del columns
        longest = self._limits.line_bytes
        with self._source.opened(place.position) as stream:
            content, is_last, is_closed = b"", False, False
            while not is_last or content:
                if not is_last:
                    # From any place on, the same blocks follow.
                    missing = _BLOCK - len(content)
                    more = stream.read(missing if missing > 0 else len(content), self._source.is_live)
                    is_last, content = not more, content + more
                if is_closed:
                    if content.strip(_SPACES):
                        raise InvalidInput(f"{printable(self.name)} goes on after the end of its array")
                    content = b""
                    continue
                block, end, is_closed = self._block(content, place, is_last, stream.on_disk)
                if block is not None:
                    self._check_lines(block.records, longest)
                    yield block
                content, place = content[end.position - place.position :], end
                if longest is not None and len(content) > longest:
                    raise InvalidInput(self._too_long(longest))
                if is_last and not is_closed:
                    if self._is_array:
                        raise InvalidInput(f"{printable(self.name)} ends within its array; it is not whole")
                    content = b""

    def _block(self, content: bytes, place: Place, is_last: bool, read: int) -> tuple[JsonBlock | None, Place, bool]:
        """The whole records at the beginning of `content`, where the next ones begin, and whether there are none."""
        is_closed, lines = False, None
        if self._are_lines:
            stop = len(content) if is_last else content.rfind(b"\n") + 1
            text = content[:stop]
            count = _count_records(text)
            text = text if text.endswith(b"\n") or not text else text + b"\n"
        else:
            found = values(content, is_last)
            stop, is_closed, count = found.end, found.is_closed, len(found.records)
            text = b"".join(record + b"\n" for record in found.records)
            breaks = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
            lines = np.searchsorted(breaks, found.starts) + place.line
        end = Place(place.file, place.position + stop, place.row + count, place.line + content.count(b"\n", 0, stop))
        return JsonBlock(place, end, read, text, lines, self._format) if count else None, end, is_closed

    def _check_lines(self, records: bytes, longest: int | None) -> None:
        """Raise InvalidInput if a record is longer than the limit allows."""
        if (
            longest is not None
            and len(records) > longest
            and any(len(record) > longest for record in records.split(b"\n"))
        ):
            raise InvalidInput(self._too_long(longest))

    def _too_long(self, longest: int) -> str:
        return f"{printable(self.name)} has a line of more than {counted(longest, 'byte')}{how_to_raise('line_bytes')}"


def _count_records(text: bytes) -> int:
    """How many lines are not blank."""
    lines = text.count(b"\n") + (not text.endswith(b"\n") if text else 0)
    if text.startswith(b"{") and text.count(b"\n{") == lines - 1:
        return lines
    return sum(1 for line in text.split(b"\n") if line.strip(_SPACES))


def _are_lines(sample: bytes) -> bool:
    """Whether records of a text that begins with `sample` are lines, rather than objects one behind the other.

    They are lines unless one of them, which is not JSON by itself, is in an object that is.
    """
    whole = sample[: sample.rfind(b"\n") + 1] or sample
    if are_objects(whole, len(whole)) and b"}{" not in whole:
        return True
    place = 0
    for line in whole.splitlines(keepends=True):
        if line.strip(_SPACES) and not _is_json(line):
            break
        place += len(line)
    else:
        return True
    found = values(whole, is_last=True)
    around = int(np.searchsorted(found.starts, place, "right")) - 1
    return around < 0 or not _is_json(found.records[around])


def _is_json(text: bytes) -> bool:
    try:
        # What is nested more deeply is not a row in any case.
        if text.count(b"[") + text.count(b"{") > _DEEPEST and levels(text, 0)[0] > _DEEPEST:
            return False
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
