"""Where the records of CSV begin and end: at line ends outside of quotes."""

import functools
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_QUOTE, _LINE_END, _RETURN = b'"\n\r'

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Cut:
    """Whole records at the beginning of a text.

    Attributes:
        end: how many bytes they are.
        rows: how many records; blank lines are none.
        lines: how many lines.
    """

    end: int
    rows: int
    lines: int


def cut(content: bytes, delimiter: str, is_last: bool) -> Cut:
    """The whole records at the beginning of `content`, which begins with a record.

    Args:
        content: the text.
        delimiter: the character between cells.
        is_last: whether the text ends with it. All of it are whole records then, but for one in which a quote is never
            closed.
    """
    if b'"' not in content and b"\r" not in content:
        end = len(content) if is_last else content.rfind(b"\n") + 1
        if b"\n\n" not in content and not content.startswith(b"\n"):
            lines = content.count(b"\n", 0, end)
            rest = int(is_last and end > 0 and not content.endswith(b"\n"))
            return Cut(end, lines + rest, lines + rest)
    ends, is_open = _line_ends(content, delimiter)
    if is_last and not is_open:
        end = len(content)
    else:
        # A line end of two characters is not taken apart.
        while len(ends) and not is_last and ends[-1] == len(content) - 1 and content[-1] == _RETURN:
            ends = ends[:-1]
        end = int(ends[-1]) + 1 if len(ends) else 0
    return Cut(end, len(_between(ends, end)[0]), count_lines(content[:end]))


def records(content: bytes, delimiter: str) -> tuple[Places, Places]:
    """Where each record of `content` begins and ends, without its line end; both of shape (records,)."""
    ends, _ = _line_ends(content, delimiter)
    return _between(ends, len(content))


def widths(content: bytes, delimiter: str, starts: Places) -> Places:
    """How many cells each record has that begins in `content` at `starts`, of shape (records,)."""
    codes = np.frombuffer(content, np.uint8)
    marks = np.flatnonzero(codes == ord(delimiter))
    if b'"' in content:
        marks = marks[np.searchsorted(_quote_marks(content, delimiter), marks) % 2 == 0]
    return np.bincount(np.searchsorted(starts, marks, "right") - 1, minlength=len(starts)) + 1


def lines_before(content: bytes, places: Places) -> Places:
    """How many lines of `content` end before each of `places`."""
    codes = np.frombuffer(content, np.uint8)
    is_end = codes == _LINE_END
    if b"\r" in content:
        returns = codes == _RETURN
        returns[:-1] &= ~is_end[1:]
        is_end |= returns
    return np.searchsorted(np.flatnonzero(is_end), places)


def count_lines(content: bytes) -> int:
    """How many lines begin in `content`."""
    count = content.count(b"\n")
    if b"\r" in content:
        count += content.count(b"\r") - content.count(b"\r\n")
    return count + (not content.endswith((b"\n", b"\r")) if content else 0)


def _between(ends: Places, stop: int) -> tuple[Places, Places]:
    """Where what is between line ends begins and ends, as far as it is not empty."""
    ends = ends[ends < stop]
    starts, stops = np.concatenate([[0], ends + 1]), np.concatenate([ends, [stop]])
    is_record = stops > starts
    return starts[is_record], stops[is_record]


def _line_ends(content: bytes, delimiter: str) -> tuple[Places, bool]:
    """The places of all line ends outside of quotes, and whether a quote is open at the end."""
    codes = np.frombuffer(content, np.uint8)
    is_end = codes == _LINE_END
    if b"\r" in content:
        is_end |= codes == _RETURN
    ends = np.flatnonzero(is_end)
    if b'"' not in content:
        return ends, False
    marks = _quote_marks(content, delimiter)
    return ends[np.searchsorted(marks, ends) % 2 == 0], len(marks) % 2 == 1


def _quote_marks(content: bytes, delimiter: str) -> Places:
    """The places at which quotes open and close, in turn."""
    codes = np.frombuffer(content, np.uint8)
    marks = np.flatnonzero(codes == _QUOTE)
    return marks if _are_regular(codes, marks, delimiter) else _irregular_marks(content, delimiter)


def _are_regular(codes: npt.NDArray[np.uint8], marks: Places, delimiter: str) -> bool:
    """Whether quotes at `marks` open and close in turn: each first one begins a cell, each second one ends it.

    A quote in a cell is doubled: it closes and opens again.
    """
    around = np.zeros(256, np.bool_)
    around[[_QUOTE, _LINE_END, _RETURN, ord(delimiter)]] = True
    opening, closing = marks[::2], marks[1::2]
    before, after = codes[opening[opening > 0] - 1], codes[closing[closing < len(codes) - 1] + 1]
    return bool(around[before].all() and around[after].all())


@functools.cache
def _quoted(delimiter: str) -> re.Pattern[bytes]:
    # What is quoted begins with a cell; it ends with a quote that is not doubled, or never.
    return re.compile(rb'(?:\A|(?<=[\n\r%b]))"(?:[^"]++|"")*+("|\Z)' % re.escape(delimiter.encode()))


def _irregular_marks(content: bytes, delimiter: str) -> Places:
    """The places at which quotes open and close, if there are others too: within cells that are not quoted."""
    marks = []
    for found in _quoted(delimiter).finditer(content):
        marks.append(found.start())
        if found[1]:
            marks.append(found.end() - 1)
    return np.array(marks, np.intp)
