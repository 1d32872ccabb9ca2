"""What a model file would take to open, read from its bytes before ONNX Runtime sees them.

Of an ONNX file the fields of ModelProto are read, and of its graph only what the limits make necessary; weights are
skipped by their length. Files in ORT format are FlatBuffers, which ONNX Runtime verifies itself, and have no functions.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from edge_runtime.contract.errors import InvalidModel, ModelNotFound
from edge_runtime.contract.limits import Limits, how_to_raise
from edge_runtime.contract.terminal import counted, printable, unreadable
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.protobuf import Bytes, Damaged, FileBytes, content, fields

# A part of the file: where it begins and ends.
_Span: TypeAlias = tuple[int, int]
# Of a function or of what calls it: the domain, the name, and the overload.
_Name: TypeAlias = tuple[bytes, bytes, bytes]

# Numbers of fields in onnx.proto: of ModelProto,
_GRAPH, _FUNCTIONS = 7, 25
# GraphProto and FunctionProto,
_NODES_OF_GRAPH, _NODES_OF_FUNCTION, _DEFAULTS_OF_FUNCTION = 1, 7, 11
_FUNCTION_NAME, _FUNCTION_DOMAIN, _FUNCTION_OVERLOAD = 1, 10, 13
# NodeProto,
_OPERATOR, _ATTRIBUTES, _DOMAIN, _OVERLOAD = 4, 5, 7, 8
# and AttributeProto, with the types of those that are graphs.
_SUBGRAPH, _SUBGRAPHS, _TYPE, _REFERENCE = 6, 11, 20, 21
_GRAPH_TYPES = (5, 10)

# The fewest bytes of a node in a file; how many fields there may be for each node that is allowed, weights and names of
# inputs among them; and what an entry of the metadata takes besides its text.
_LEAST_NODE = 2
_MOST_FIELDS = 100
_ENTRY = 100
# How deep functions may call each other: as in ONNX Runtime 1.32. Older versions overflow their stack.
_MOST_CALLS = 100
# Up to so many functions are counted only where they are called.
_FEW = 1000
_SHOWN = 10**15


class _Body(NamedTuple):
    """A graph, or the body of a function: how many nodes it has, and which functions they call how often."""

    nodes: int
    calls: Counter[_Name]


def check_source(source: ModelSource, limits: Limits) -> None:
    """Refuse a model that is beyond the limits.

    Raises:
        InvalidModel: it is beyond the limits `model_bytes`, `nodes` or `metadata_bytes`; or it is not an ONNX file.
        ModelNotFound: its file does not exist any more.
    """
    # ONNX Runtime knows its own format by the name of a file, and by its bytes if they have no name.
    loadable = source.loadable
    if isinstance(loadable, bytes):
        check(loadable, limits, source.name, source.is_ort_format)
        return
    try:
        with open(loadable, "rb", buffering=0) as file:  # noqa: PTH123 - a path takes longer to make
            check(FileBytes(file), limits, source.name, loadable.casefold().endswith(".ort"))
    except OSError as error:
        kind = ModelNotFound if isinstance(error, FileNotFoundError) else InvalidModel
        raise kind(unreadable(Path(loadable), error)) from error


def check(data: Bytes, limits: Limits, name: str, is_ort_format: bool) -> None:
    """Refuse a model that is beyond the limits.

    Args:
        data: the file.
        limits: what it may take.
        name: what to call it in messages.
        is_ort_format: whether it is in ORT format; else it is an ONNX file.

    Raises:
        InvalidModel: it is beyond the limits `model_bytes`, `nodes` or `metadata_bytes`; or it is not an ONNX file.
    """
    size = len(data)
    if limits.model_bytes is not None and size > limits.model_bytes:
        raise _beyond(name, counted(size, "byte"), limits.model_bytes, "model_bytes")
    if is_ort_format:
        return
    most_metadata = math.inf if limits.metadata_bytes is None else limits.metadata_bytes
    most_nodes = math.inf if limits.nodes is None else limits.nodes
    graphs: list[_Span] = []
    functions: list[_Span] = []
    metadata = 0
    try:
        for number, has_length, start, stop in fields(data, 0, size):
            if has_length and number == _GRAPH:
                graphs.append((start, stop))
            elif has_length and number == _FUNCTIONS:
                functions.append((start, stop))
            else:
                metadata += stop - start + _ENTRY
                if metadata > most_metadata:
                    found = f"more than {counted(most_metadata, 'byte')} of metadata"
                    raise _beyond(name, found, most_metadata, "metadata_bytes")
            if len(functions) + len(graphs) > max(most_nodes, _FEW):
                raise _beyond(name, f"more than {counted(most_nodes, 'function')}", most_nodes, "nodes")
        if functions or sum(stop - start for start, stop in graphs) > most_nodes * _LEAST_NODE:
            _Nodes(data, most_nodes, name).check(graphs, functions)
    except Damaged:
        raise InvalidModel(
            f"{name} is not a model that ONNX Runtime can load (it is not an ONNX file, or damaged)"
        ) from None


class _Nodes:
    """Counts the nodes of a model, up to a limit."""

    def __init__(self, data: Bytes, most: float, name: str) -> None:
        self._data, self._most, self._model = data, most, name
        self._functions: dict[_Name, _Body] = {}
        self._fields_left = most * _MOST_FIELDS

    def check(self, graphs: list[_Span], functions: list[_Span]) -> None:
        """Refuse more nodes than the limit.

        Args:
            graphs: where the graph is; several parts of it are one.
            functions: where the functions are.
        """
        if not functions and self._nodes_at_most(graphs) <= self._most:
            return
        named = [self._named(span) for span in functions]
        self._functions = {key: _Body(0, Counter()) for key, _ in named}
        for key, span in named:
            body, same = self._body([span], _NODES_OF_FUNCTION), self._functions[key]
            self._functions[key] = _Body(same.nodes + body.nodes, same.calls + body.calls)
        counts = self._expanded()
        main = self._body(graphs, _NODES_OF_GRAPH)
        total = main.nodes + sum(times * counts[one] for one, times in main.calls.items())
        if total > self._most:
            called = ", with those of its functions in each place that calls them" if functions else ""
            shown = f"{total:,}" if total < _SHOWN else f"more than {_SHOWN:,}"
            raise _beyond(self._model, f"{shown} nodes{called}", self._most, "nodes")

    def _fields(self, span: _Span) -> Iterator[tuple[int, bool, int, int]]:
        """The fields of a message. What is not counted as a node must not take for ever either."""
        for field in fields(self._data, *span):
            self._fields_left -= 1
            if self._fields_left < 0:
                found = f"more than {self._most * _MOST_FIELDS:,} weights, names and other parts of nodes"
                raise _beyond(self._model, found, self._most, "nodes")
            yield field

    def _nodes_at_most(self, graphs: list[_Span]) -> int:
        """How many nodes there are at most, without a look into them."""
        count = size = 0
        for span in graphs:
            for number, has_length, start, stop in self._fields(span):
                if number == _NODES_OF_GRAPH and has_length:
                    count += 1
                    size += stop - start
        return count + size // _LEAST_NODE

    def _named(self, function: _Span) -> tuple[_Name, _Span]:
        found = {_FUNCTION_DOMAIN: b"", _FUNCTION_NAME: b"", _FUNCTION_OVERLOAD: b""}
        for number, has_length, start, stop in self._fields(function):
            if number in found and has_length:
                found[number] = content(self._data, start, stop)
        domain, name, overload = found.values()
        return (_domain(domain), name, overload), function

    def _body(self, spans: list[_Span], node_field: int) -> _Body:
        """What is in a graph or function, and in all subgraphs."""
        nodes, calls = 0, Counter[_Name]()
        in_function = node_field == _NODES_OF_FUNCTION
        left = [(span, node_field) for span in spans]
        while left:
            span, node_field = left.pop()
            for number, has_length, start, stop in self._fields(span):
                if not has_length:
                    continue
                if number == node_field:
                    nodes += 1
                    called, subgraphs = self._node((start, stop), in_function)
                    left += subgraphs
                    if called in self._functions:
                        calls[called] += 1
                    if nodes + len(left) > self._most:
                        # The rest need not be counted.
                        raise _beyond(self._model, f"more than {counted(self._most, 'node')}", self._most, "nodes")
                elif number == _DEFAULTS_OF_FUNCTION and node_field == _NODES_OF_FUNCTION:
                    left += self._subgraphs((start, stop), in_function)
        return _Body(nodes, calls)

    def _node(self, node: _Span, in_function: bool) -> tuple[_Name, list[tuple[_Span, int]]]:
        """The operator of a node, and its subgraphs."""
        data, subgraphs = self._data, []
        domain = operator = overload = b""
        for number, has_length, start, stop in self._fields(node):
            if not has_length:
                continue
            if number == _ATTRIBUTES:
                subgraphs += self._subgraphs((start, stop), in_function)
            elif number == _OPERATOR:
                operator = content(data, start, stop)
            elif number == _DOMAIN:
                domain = content(data, start, stop)
            elif number == _OVERLOAD:
                overload = content(data, start, stop)
        return (_domain(domain), operator, overload), subgraphs

    def _subgraphs(self, attribute: _Span, in_function: bool) -> list[tuple[_Span, int]]:
        found, kind, is_reference = [], 0, False
        for number, has_length, start, stop in self._fields(attribute):
            if has_length and number in (_SUBGRAPH, _SUBGRAPHS):
                found.append(((start, stop), _NODES_OF_GRAPH))
            elif has_length and number == _REFERENCE:
                is_reference = stop > start
            elif number == _TYPE:
                kind = self._data[start]
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


def _beyond(model: str, found: str, most: float, limit: str) -> InvalidModel:
    return InvalidModel(f"{model} has {found}; the limit is {most:,}{how_to_raise(limit)}")
