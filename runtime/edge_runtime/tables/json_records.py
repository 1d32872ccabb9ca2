"""Where the values of JSON begin and end: in lines, one behind the other, or in an array."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_QUOTE, _COMMA, _LINE_END, _RETURN, _OPENING, _CLOSING = b'",\n\r{}'
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"{[")], _STEPS[list(b"}]")] = 1, -1
_ARE_MARKS = np.zeros(256, np.bool_)
_ARE_MARKS[list(b'{}[]",')] = True
_SPACES = b" \t\r\n"


@dataclass(frozen=True)
class Values:
    """Whole values at the beginning of a text.

    Attributes:
        records: each value, on one line.
        starts: where they begin, shape (values,).
        end: how many bytes they are, with what separates them.
        is_closed: whether the array that they are in ends with them.
    """

    records: list[bytes]
    starts: npt.NDArray[np.intp]
    end: int
    is_closed: bool


def values(content: bytes, is_last: bool) -> Values:
    """The whole values at the beginning of `content`, which begins outside of all of them.

    Args:
        content: the text: values with commas, white space or nothing between them.
        is_last: whether nothing follows; what is left is a value then, whole or not.
    """
    plain = content.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in content else content
    codes = np.frombuffer(plain, np.uint8)
    marks = np.flatnonzero(_ARE_MARKS[codes])
    found = codes[marks]
    marks = marks[(np.cumsum(found == _QUOTE) % 2 == 0) & (found != _QUOTE)]
    steps = _STEPS[codes[marks]]
    levels = np.cumsum(steps, dtype=np.int64)
    closed = np.flatnonzero(levels < 0)
    stop = int(marks[closed[0]]) if len(closed) else len(content)
    # A value ends with its own bracket, or before a comma.
    ends = marks + (steps < 0)
    ends = ends[(levels == 0) & (steps <= 0) & (marks < stop)]
    if len(closed) or is_last:
        ends = np.append(ends, stop)
    records, starts, before = [], [], 0
    for end in ends.tolist():
        piece = content[before:end]
        begun = piece.lstrip(b" \t\r\n,")
        if begun:
            starts.append(end - len(begun))
            records.append(begun.rstrip(_SPACES).replace(b"\n", b" ").replace(b"\r", b" "))
        before = end
    end = stop + 1 if len(closed) else before
    return Values(records, np.array(starts, np.intp), end, bool(len(closed)))


def are_objects(content: bytes, most: float) -> bool:
    """Whether each line of `content` is an object of `most` levels at most, as in almost all files.

    It takes a fraction of the time of following strings and brackets. False if in doubt; True also if a line is not
    JSON. After `}` and a line break, no reader goes on at `{` within an object, a list or a string. So it is never
    deeper than one line has openings.
    """
    codes = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(codes == _LINE_END)
    if not len(ends) or ends[-1] != len(codes) - 1 or codes[0] != _OPENING:
        return False
    if not (codes[ends[:-1] + 1] == _OPENING).all():
        return False
    last = codes[ends - 1]
    if (np.where(last == _RETURN, codes[ends - 2], last) != _CLOSING).any():
        return False
    # With this bit set, [ is {.
    are_openings = codes | 0x20 == _OPENING
    count = np.count_nonzero(are_openings)
    if count == len(ends) or count <= most:
        return True
    line = np.searchsorted(ends, np.flatnonzero(are_openings))
    return not (line[int(most) :] == line[: -int(most)]).any()
