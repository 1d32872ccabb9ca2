"""How deep arrays and objects are nested in a JSON text, found before anything reads it.

Readers of JSON call themselves for each level: some end the process with a signal if there are too many.
"""

from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.terminal import counted

_QUOTE, _LINE_END, _OPENING = b'"\n{'
# What tells the level; the rest is deleted.
_OTHERS = bytes(set(range(256)) - set(b'[]{}"\n'))
_BLOCK = 2**20


def is_too_deep(text: str | bytes, limits: Limits) -> bool:
    """Whether arrays and objects in a JSON text are nested deeper than `limits.json_depth`."""
    most = limits.json_depth
    if most is None or len(text) <= most:
        return False
    # What most texts have less of is counted much faster than it is followed.
    openings = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if openings <= most:
        return False
    return levels(text.encode(errors="replace") if isinstance(text, str) else text, 0)[0] > most


def levels(content: bytes, before: int) -> tuple[int, int]:
    """The deepest level in a part of a JSON text that begins outside of strings, and the level at its end.

    A string ends with its line, as JSON has no line breaks in strings; and nothing is closed that was not opened. So
    what is wrong in one place hides nothing after it from readers that begin there.

    Args:
        content: the part, in UTF-8.
        before: the level at its beginning.
    """
    # Importing it takes longer than most commands take to find a mistake.
    import numpy as np

    if b'\\"' in content:
        content = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Most strings hold no brackets. Without both of its quotes, what else is in or outside of a string stays there.
    marks = np.frombuffer(content.translate(None, _OTHERS).replace(b'""', b""), np.uint8)
    deepest, quotes = before, 0
    for start in range(0, len(marks), _BLOCK):
        block = marks[start : start + _BLOCK]
        passed = np.cumsum(block == _QUOTE, dtype=np.int32) + np.int32(quotes)
        # How many there were before the line.
        before_line = np.maximum.accumulate(np.where(block == _LINE_END, passed, 0))
        is_outside = (passed - before_line) % 2 == 0
        quotes = int(passed[-1] - before_line[-1]) % 2
        brackets = block[is_outside & (block != _QUOTE) & (block != _LINE_END)]
        if len(brackets):
            # With this bit set, [ is { and ] is }.
            reached = np.cumsum(np.where(brackets | 0x20 == _OPENING, 1, -1)) + before
            reached -= np.minimum(np.minimum.accumulate(reached), 0)
            deepest, before = max(deepest, int(reached.max())), int(reached[-1])
    return deepest, before


def too_deep(limits: Limits) -> str:
    """The end of a message on a JSON text that `is_too_deep`."""
    most = counted(limits.json_depth or 0, "level")
    return f"arrays and objects are nested deeper than {most}{how_to_raise('json_depth')}"
