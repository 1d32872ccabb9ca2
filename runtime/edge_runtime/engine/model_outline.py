"""Where the parts of an ONNX file are, found in one walk over its bytes, for all that looks at it before it is opened.

The fields of ModelProto are read, and of a graph those that say where the values of its weights are, which are skipped.
What is left is searched for what no reference to another file is without. Files in ORT format are FlatBuffers, and have
no outline.
"""

import contextlib
import itertools
import math
from typing import NamedTuple, TypeAlias

from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.terminal import counted
from edge_runtime.engine.protobuf import Bytes, Damaged, fields

# A part of the file: where it begins and ends.
Span: TypeAlias = tuple[int, int]

# What no reference is without: the key of a tensor's location, the operator.
_MARKS = (b"location", b"EPContext")
_OVERLAP = max(map(len, _MARKS)) - 1
_BLOCK = 1024 * 1024

# Numbers of fields in onnx.proto: of ModelProto, GraphProto, TensorProto.
_GRAPH, _METADATA, _FUNCTIONS = 7, 14, 25
_NODES, _WEIGHTS, _EXTERNAL_DATA = 1, 5, 13

# From so many bytes on, a graph is looked into and values of its weights are skipped; so many fields at most are looked
# at for that.
_LARGE, _MOST_STEPS = 4096, 20_000
# The fewest bytes of a part in a file; what an entry of the metadata takes besides its text; and how many functions are
# taken whatever the limit, as they are counted only where they are called.
_LEAST_PART, _ENTRY, _FEW = 2, 100, 1000


class Outline(NamedTuple):
    """Where the parts of a file are.

    Attributes:
        graphs: where the graph is; several parts of it are one.
        functions: where the functions are.
        may_refer: whether it may refer to other files, by what is there beside metadata and values of large weights.
        most_nodes: how many nodes the graph may have, with those of subgraphs, by what was looked at.
        most_others: how many weights, inputs and other parts beside nodes it may have, without those of subgraphs.
        is_message: whether the file can be read as a message.
    """

    graphs: list[Span]
    functions: list[Span]
    may_refer: bool
    most_nodes: int
    most_others: int
    is_message: bool


def outline_of(data: Bytes, limits: Limits, name: str) -> Outline:
    """The outline of a file.

    Args:
        data: the file.
        limits: what it may take.
        name: what to call it in messages.

    Raises:
        InvalidModel: it is beyond the limit `metadata_bytes`, or has more functions than the limit `nodes`.
    """
    walk, is_message = _Walk(data), True
    try:
        walk.model(limits, name)
    except Damaged:
        is_message = False
    return Outline(walk.graphs, walk.functions, walk.has_mark(), walk.nodes, walk.others, is_message)


def beyond(model: str, found: str, limit: str) -> InvalidModel:
    """The error for a model that has more than `found`, which is what the limit `limit` allows."""
    return InvalidModel(f"{model} has more than {found}{how_to_raise(limit)}")


class _Walk:
    """What is found on the way."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self.graphs: list[Span] = []
        self.functions: list[Span] = []
        self.nodes = self.others = 0
        # Whether there is a mark before what is searched next, and where that begins.
        self._found, self._begin = False, 0
        self._steps_left = _MOST_STEPS

    def model(self, limits: Limits, name: str) -> None:
        """Walk over the whole file. Raises: as `outline_of`, and Damaged."""
        metadata = 0
        most_metadata = math.inf if limits.metadata_bytes is None else limits.metadata_bytes
        most_functions = math.inf if limits.nodes is None else max(limits.nodes, _FEW)
        for number, has_length, start, stop in fields(self._data, 0, len(self._data)):
            if has_length and number in (_GRAPH, _FUNCTIONS):
                (self.graphs if number == _GRAPH else self.functions).append((start, stop))
                if len(self.graphs) + len(self.functions) > most_functions:
                    raise beyond(name, counted(most_functions, "function"), "nodes")
                if number == _GRAPH:
                    self._graph(start, stop)
                continue
            metadata += stop - start + _ENTRY
            if metadata > most_metadata:
                raise beyond(name, f"{counted(most_metadata, 'byte')} of metadata", "metadata_bytes")
            if number == _METADATA and has_length and self._steps_left > 0:
                self._steps_left -= 1
                self._skip(start, stop)

    def _graph(self, start: int, stop: int) -> None:
        """Walk over a graph. What cannot be read, or would take long, is counted as so many parts as fit there."""
        at, nodes, size, others = start, 0, 0, 0
        if stop - start > _LARGE:
            # If it is damaged, ONNX Runtime says so, or knows what to do with it.
            with contextlib.suppress(Damaged):
                for number, has_length, first, last in itertools.islice(
                    fields(self._data, start, stop), self._steps_left
                ):
                    at = last
                    if number == _NODES:
                        nodes += 1
                        size += last - first
                        continue
                    others += 1
                    if number == _WEIGHTS and has_length and last - first > _LARGE:
                        self._weight(first, last)
        self._steps_left = max(0, self._steps_left - nodes - others)
        self.nodes += nodes + (size + stop - at) // _LEAST_PART
        self.others += others + (stop - at) // _LEAST_PART

    def _weight(self, start: int, stop: int) -> None:
        for number, has_length, first, last in itertools.islice(fields(self._data, start, stop), self._steps_left):
            self._steps_left -= 1
            if has_length and last - first > _LARGE and number != _EXTERNAL_DATA:
                self._skip(first, last)

    def _skip(self, start: int, stop: int) -> None:
        """Search up to `start`, and go on at `stop`."""
        self._found = self._found or _has_mark(self._data, self._begin, start)
        self._begin = stop

    def has_mark(self) -> bool:
        """Whether there is a mark in all that was not skipped."""
        return self._found or _has_mark(self._data, self._begin, len(self._data))


def _has_mark(data: Bytes, start: int, stop: int) -> bool:
    if isinstance(data, bytes):
        return any(data.find(mark, start, stop) >= 0 for mark in _MARKS)
    for begin in range(start, stop, _BLOCK):
        block = data.between(begin, min(stop, begin + _BLOCK + _OVERLAP))
        if any(mark in block for mark in _MARKS):
            return True
    return False
