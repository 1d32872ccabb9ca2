"""What a model file would take to open, read from its bytes before ONNX Runtime sees them.

Of a graph only what the limits make necessary is read; weights are skipped by their length. Files in ORT format are
FlatBuffers, which ONNX Runtime verifies itself, and have no functions.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from edge_runtime.contract.errors import InvalidModel, ModelNotFound
from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.terminal import counted, printable, unreadable
from edge_runtime.engine.model_outline import Outline, Span, beyond
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.protobuf import Bytes, Damaged, FileBytes, content, fields, number_at

# Of a function or of what calls it: the domain, the name, and the overload.
_Name: TypeAlias = tuple[bytes, bytes, bytes]

# Numbers of fields in onnx.proto: of GraphProto and FunctionProto,
_NODES_OF_GRAPH, _NODES_OF_FUNCTION, _DEFAULTS_OF_FUNCTION = 1, 7, 11
_FUNCTION_NAME, _FUNCTION_DOMAIN, _FUNCTION_OVERLOAD = 1, 10, 13
# NodeProto,
_OPERATOR, _ATTRIBUTES, _DOMAIN, _OVERLOAD = 4, 5, 7, 8
# and AttributeProto: those that are texts, and the types of those that are graphs.
_SUBGRAPH, _SUBGRAPHS, _TYPE, _REFERENCE = 6, 11, 20, 21
_TEXTS = (1, 4, 9, 13)
_GRAPH_TYPES = (5, 10)

# The fewest bytes of a node in a file.
_LEAST_NODE = 2
# For each node that is allowed: how many other parts there may be, such as weights, inputs and attributes, and how many
# fields to look at, names and texts among them. And how many there may be in any case.
_MOST_PARTS, _MOST_FIELDS = 5, 25
_FEW_PARTS, _FEW_FIELDS = 20_000, 100_000
# How deep functions may call each other: as in ONNX Runtime 1.32. Older versions overflow their stack.
_MOST_CALLS = 100
_SHOWN = 10**15


class _Body(NamedTuple):
    """A graph, or the body of a function: how many nodes it has, and which functions they call how often."""

    nodes: int
    calls: Counter[_Name]


def check_source(source: ModelSource, limits: Limits) -> None:
    """Refuse a model that is beyond the limits.

    Raises:
        InvalidModel: it is beyond the limit `nodes`, or it is not an ONNX file.
        ModelNotFound: its file does not exist any more.
    """
    if source.outline is None or _is_usual(source.outline, limits):
        return
    loadable = source.loadable
    if isinstance(loadable, bytes):
        check(loadable, source.outline, limits, source.name)
        return
    try:
        with FileBytes(loadable) as data:
            check(data, source.outline, limits, source.name)
    except OSError as error:
        kind = ModelNotFound if isinstance(error, FileNotFoundError) else InvalidModel
        raise kind(unreadable(Path(loadable), error)) from error


def check(data: Bytes, outline: Outline, limits: Limits, name: str) -> None:
    """Refuse a model that is beyond the limits.

    Args:
        data: its ONNX file.
        outline: where the parts of that are.
        limits: what it may take.
        name: what to call it in messages.

    Raises:
        InvalidModel: it is beyond the limit `nodes`, or it is not an ONNX file.
    """
    try:
        if not outline.is_message:
            raise Damaged
        if not _is_usual(outline, limits):
            _Nodes(data, math.inf if limits.nodes is None else limits.nodes, name).check(outline)
    except Damaged:
        raise InvalidModel(
            f"{name} is not a model that ONNX Runtime can load (it is not an ONNX file, or damaged)"
        ) from None


def _is_usual(outline: Outline, limits: Limits) -> bool:
    """Whether the outline tells that the model is within the limits."""
    most = math.inf if limits.nodes is None else limits.nodes
    is_small = outline.most_nodes <= most and outline.most_others <= _most_parts(most)
    return outline.is_message and is_small and not outline.functions


def _most_parts(nodes: float) -> float:
    return max(nodes * _MOST_PARTS, _FEW_PARTS)


class _Nodes:
    """Counts the nodes of a model, up to a limit."""

    def __init__(self, data: Bytes, most: float, name: str) -> None:
        self._data, self._most, self._model = data, most, name
        self._functions: dict[_Name, _Body] = {}
        self._most_parts, self._most_fields = _most_parts(most), max(most * _MOST_FIELDS, _FEW_FIELDS)
        self._parts_left, self._fields_left = self._most_parts, self._most_fields

    def check(self, outline: Outline) -> None:
        """Refuse more nodes than the limit, and what is not counted as a node but takes memory and time too."""
        if self._nodes_at_most(outline.graphs) <= self._most and not outline.functions:
            return
        named = [self._named(span) for span in outline.functions]
        self._functions = {key: _Body(0, Counter()) for key, _ in named}
        for key, span in named:
            body, same = self._body([span], _NODES_OF_FUNCTION), self._functions[key]
            self._functions[key] = _Body(same.nodes + body.nodes, same.calls + body.calls)
        counts = self._expanded()
        main = self._body(outline.graphs, _NODES_OF_GRAPH)
        total = main.nodes + sum(times * counts[one] for one, times in main.calls.items())
        if total > self._most:
            called = ", with those of its functions in each place that calls them" if outline.functions else ""
            shown = f"{total:,}" if total < _SHOWN else f"more than {_SHOWN:,}"
            found = f"{shown} node{'' if total == 1 else 's'}{called}"
            raise InvalidModel(f"{self._model} has {found}; the limit is {self._most:,}{how_to_raise('nodes')}")

    def _fields(self, span: Span) -> Iterator[tuple[int, bool, int, int]]:
        """The fields of a message. What is not counted as a node must not take for ever either."""
        for field in fields(self._data, *span, numbers=False):
            self._fields_left -= 1
            if self._fields_left < 0:
                raise beyond(self._model, f"{self._most_fields:,} names and other parts", "nodes")
            yield field

    def _count_part(self) -> None:
        """Count what takes as much memory as a node."""
        self._parts_left -= 1
        if self._parts_left < 0:
            raise beyond(self._model, f"{self._most_parts:,} weights and other parts besides its nodes", "nodes")

    def _nodes_at_most(self, graphs: list[Span]) -> int:
        """How many nodes there are at most, without a look into them."""
        count = size = 0
        for span in graphs:
            for number, has_length, start, stop in self._fields(span):
                if number == _NODES_OF_GRAPH and has_length:
                    count += 1
                    size += stop - start
                    if count > self._most:
                        raise beyond(self._model, counted(self._most, "node"), "nodes")
                else:
                    self._count_part()
        self._parts_left, self._fields_left = self._most_parts, self._most_fields
        return count + size // _LEAST_NODE

    def _named(self, function: Span) -> tuple[_Name, Span]:
        found = {_FUNCTION_DOMAIN: b"", _FUNCTION_NAME: b"", _FUNCTION_OVERLOAD: b""}
        for number, has_length, start, stop in self._fields(function):
            if number in found and has_length:
                found[number] = content(self._data, start, stop)
        domain, name, overload = found.values()
        return (_domain(domain), name, overload), function

    def _body(self, spans: list[Span], node_field: int) -> _Body:
        """What is in a graph or function, and in all subgraphs."""
        nodes, calls = 0, Counter[_Name]()
        in_function = node_field == _NODES_OF_FUNCTION
        left = [(span, node_field) for span in spans]
        while left:
            span, node_field = left.pop()
            for number, has_length, start, stop in self._fields(span):
                if has_length and number == node_field:
                    nodes += 1
                    called, subgraphs = self._node((start, stop), in_function)
                    left += subgraphs
                    if called in self._functions:
                        calls[called] += 1
                    if nodes + len(left) > self._most:
                        # The rest need not be counted.
                        raise beyond(self._model, counted(self._most, "node"), "nodes")
                    continue
                self._count_part()
                if has_length and number == _DEFAULTS_OF_FUNCTION and node_field == _NODES_OF_FUNCTION:
                    left += self._subgraphs((start, stop), in_function)
        return _Body(nodes, calls)

    def _node(self, node: Span, in_function: bool) -> tuple[_Name, list[tuple[Span, int]]]:
        """The operator of a node, and its subgraphs."""
        data, subgraphs = self._data, []
        domain = operator = overload = b""
        for number, has_length, start, stop in self._fields(node):
            if not has_length:
                self._count_part()
            elif number == _ATTRIBUTES:
                self._count_part()
                subgraphs += self._subgraphs((start, stop), in_function)
            elif number == _OPERATOR:
                operator = content(data, start, stop)
            elif number == _DOMAIN:
                domain = content(data, start, stop)
            elif number == _OVERLOAD:
                overload = content(data, start, stop)
        return (_domain(domain), operator, overload), subgraphs

    def _subgraphs(self, attribute: Span, in_function: bool) -> list[tuple[Span, int]]:
        found, kind, is_reference = [], 0, False
        for number, has_length, start, stop in self._fields(attribute):
            if has_length and number == _REFERENCE:
                is_reference = stop > start
            elif number == _TYPE and not has_length:
                kind = number_at(self._data, start)
            elif not has_length or number not in _TEXTS:
                self._count_part()
                if has_length and number in (_SUBGRAPH, _SUBGRAPHS):
                    found.append(((start, stop), _NODES_OF_GRAPH))
        if in_function and is_reference and kind in _GRAPH_TYPES:
            raise InvalidModel(
                f"{self._model} has functions that take graphs, whose nodes cannot be counted{how_to_raise('nodes')}"
            )
        return found

    def _expanded(self) -> dict[_Name, int]:
        """How many nodes a call of each function is, itself and those of the functions that it calls."""
        counts: dict[_Name, int] = {}
        depths: dict[_Name, int] = {}
        for first in self._functions:
            path = {first: iter(self._functions[first].calls)} if first not in counts else {}
            while path:
                last = next(reversed(path))
                called = next((one for one in path[last] if one not in counts), None)
                if called is not None:
                    if called in path:
                        shown = printable(called[1].decode(errors="replace"))
                        raise InvalidModel(f"{self._model} cannot be run: its function {shown} calls itself")
                    path[called] = iter(self._functions[called].calls)
                    continue
                del path[last]
                body = self._functions[last]
                counts[last] = body.nodes + sum(times * counts[one] for one, times in body.calls.items())
                depths[last] = 1 + max((depths[one] for one in body.calls), default=0)
                if depths[last] > _MOST_CALLS:
                    raise InvalidModel(
                        f"{self._model} cannot be run: its functions call each other more than {_MOST_CALLS} deep"
                    )
        return counts


def _domain(name: bytes) -> bytes:
    """The name of a domain; ONNX's own has two."""
    return b"" if name == b"ai.onnx" else name
