"""Which arrays of a function share memory: one that is not needed any more gives its own to another of its type."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge_export.c_code.literals import C_TYPES, c_type
from edge_export.c_code.writer import Writer


@dataclass
class _Memory:
    """An array that is declared, and the last group of statements that uses what is in it."""

    name: str
    kind: str
    size: int
    last: int


def declarations(writer: Writer) -> tuple[list[str], int]:
    """The declarations of all arrays that `writer` uses, and how many bytes they take.

    Statements are gone through group by group: what a group reads and writes is never in the same memory. The bytes are
    those of these arrays and of all that statements declare within braces, although not all of these are there at once.
    """
    spans = _spans(writer)
    lines: list[str] = []
    memories: list[_Memory] = []
    total = 0
    for name, (first, last) in sorted(spans.items(), key=lambda one: one[1]):
        value = writer.arrays[name]
        kind, size = c_type(value.dtype), max(1, value.size)
        free = [one for one in memories if one.kind == kind and one.last < first and one.size >= size]
        if free:
            taken = min(free, key=lambda one: one.size)
            taken.last = last
            lines.append(f"{kind} *const {name} = {taken.name}; /* {taken.name} is not needed any more */")
        else:
            memories.append(_Memory(name, kind, size, last))
            lines.append(f"{kind} {name}[{size}];")
            total += size * value.dtype.itemsize
    return lines, total + sum(map(_declared_bytes, writer.lines))


def _declared_bytes(line: str) -> int:
    """What the arrays take that a statement such as `float state[12], cell[12];` declares."""
    kind, _, names = line.strip().partition(" ")
    size = next((np.dtype(dtype).itemsize for dtype, name in C_TYPES.items() if name == kind), 0)
    return sum(int(count) * size for count in re.findall(r"\w+\[(\d+)\](?=[,;])", names)) if size else 0


def _spans(writer: Writer) -> dict[str, tuple[int, int]]:
    """The first and the last group of statements in which each array is named."""
    found: dict[str, tuple[int, int]] = {}
    for number, group in enumerate(_groups(writer.lines)):
        for name in re.findall(r"\b[A-Za-z]\w*", "\n".join(group)):
            if name in writer.arrays:
                first, _ = found.get(name, (number, number))
                found[name] = (first, number)
    return found


def _groups(lines: Sequence[str]) -> Iterator[list[str]]:
    """The lines between empty ones that stand outside of all braces."""
    group: list[str] = []
    depth = 0
    for line in lines:
        depth += line.count("{") - line.count("}")
        if not line and not depth:
            yield group
            group = []
        group.append(line)
    yield group
