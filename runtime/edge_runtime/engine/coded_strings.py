"""A model that takes category codes, made of one that takes strings: for calls of many rows.

ONNX Runtime copies every string of a call, and looks each one up by itself. Who has a column of a million rows with few
different values looks those up, and passes codes (`contract.category_codes`). So what the exporter puts before a
graph for strings is cut off here:

    Split(text, widths) -> a column each -> LabelEncoder -> Concat -> codes

Nothing is cut unless it is exactly that, has the categories of the signature, and nothing else takes what lies between.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from edge_runtime.contract.category_codes import UNKNOWN, codes_of
from edge_runtime.contract.signature import Feature
from edge_runtime.engine.protobuf import LENGTH, VARINT, Damaged, fields, number_at, written

# Numbers of fields in onnx.proto: of ModelProto, of GraphProto, of AttributeProto.
_GRAPH, _TRAINING = 7, 20
_NODE, _WEIGHT, _INPUT, _OUTPUT, _VALUE = 1, 5, 11, 12, 13
_INNER_GRAPHS = (6, 11)
# Types of elements.
_INT64, _STRING = 7, 8

_T = TypeVar("_T")
# The fields of a message by number: contents, or integers; None for numbers of fixed size.
_Message: TypeAlias = dict[int, list[bytes | int | None]]

# The attributes of Split and Concat: `axis` is the integer 1.
_AXIS: dict[bytes, _Message] = {b"axis": {3: [1], 20: [2]}}


class _Unlike(Exception):
    """The model is not one of which this file knows how to cut it."""


class _Part(NamedTuple):
    """A field: its number, where it begins with its tag, where its content begins and ends."""

    number: int
    begin: int
    start: int
    stop: int


class _Node(NamedTuple):
    """A node of the graph: its place among the graph's fields, and what it is."""

    place: int
    inputs: list[bytes]
    outputs: list[bytes]
    operator: tuple[bytes, bytes]
    attributes: dict[bytes, _Message]


def with_code_inputs(model: bytes, strings: Mapping[str, Sequence[Feature]]) -> bytes | None:
    """`model` with an input of codes, int64, in the place of each input of strings, of the same name and shape.

    Args:
        model: the content of an ONNX file, whose weights are all in it.
        strings: the features of the inputs of strings, by the name of the input.

    Returns:
        Another ONNX file; None if the model does not begin as the exporter of this package lets it begin.
    """
    try:
        parts = list(_parts(model, 0, len(model)))
        graph = _only(part for part in parts if part.number == _GRAPH)
        _check(bool(strings) and all(part.number != _TRAINING for part in parts))
        return model[: graph.begin] + written(_GRAPH, _Graph(model, graph).cut(strings)) + model[graph.stop :]
    except (Damaged, _Unlike):
        return None


class _Graph:
    """A graph, while it is cut."""

    def __init__(self, model: bytes, graph: _Part) -> None:
        self._model = model
        self._parts = list(_parts(model, graph.start, graph.stop))
        # What takes each value; None for what is not a node of this graph.
        self._takers: dict[bytes, list[_Node | None]] = {}
        for place, part in enumerate(self._parts):
            if part.number == _NODE:
                node = _node(place, _message(model, part.start, part.stop))
                for name in node.inputs:
                    self._takers.setdefault(name, []).append(node)
                # Graphs within a node take what is around them.
                for name in _taken_within(node):
                    self._takers.setdefault(name, []).append(None)
        for name in self._places(_OUTPUT):
            self._takers.setdefault(name, []).append(None)

    def cut(self, strings: Mapping[str, Sequence[Feature]]) -> bytes:
        """The graph with other inputs. Raises Damaged and _Unlike."""
        inputs, replaced, within = self._places(_INPUT), dict[int, bytes](), set[bytes]()
        for name, features in strings.items():
            key = name.encode()
            nodes, codes = self._encoders_of(key, features)
            within |= {output for node in nodes[:-1] for output in node.outputs}
            replaced |= {node.place: b"" for node in nodes}
            widths = nodes[0].inputs[1]
            if len(self._takers[widths]) == 1:
                replaced[self._place_of_ones(widths, len(features))] = b""
            # The input keeps its name, so that all that feeds the model goes on as before.
            identity = written(1, key) + written(2, codes) + written(3, codes) + written(4, b"Identity")
            replaced[nodes[-1].place] = written(_NODE, identity)
            _check(key in inputs)
            given = self._parts[inputs[key]]
            replaced[inputs[key]] = written(_INPUT, _of_codes(self._model[given.start : given.stop]))
        replaced |= {place: b"" for name, place in self._places(_VALUE).items() if name in within}
        kept = (self._model[part.begin : part.stop] for part in self._parts)
        return b"".join(replaced.get(place, part) for place, part in enumerate(kept))

    def _encoders_of(self, name: bytes, features: Sequence[Feature]) -> tuple[list[_Node], bytes]:
        """The nodes from the input `name` to its codes, Concat last, and the name of the codes."""
        split = self._taker(name)
        columns = split.outputs
        _check(split.operator == (b"", b"Split") and split.attributes == _AXIS)
        _check(len(split.inputs) == 2 and split.inputs[0] == name and len(columns) == len(features))
        self._place_of_ones(split.inputs[1], len(features))
        encoders = [self._taker(column) for column in columns]
        for encoder, feature in zip(encoders, features, strict=True):
            _check(len(encoder.inputs) == 1 and _encodes(encoder, feature))
        codes = [_only(encoder.outputs) for encoder in encoders]
        concat = self._taker(codes[0])
        _check(concat.operator == (b"", b"Concat") and concat.attributes == _AXIS and concat.inputs == codes)
        _check(all(self._taker(one) is concat for one in codes))
        return [split, *encoders, concat], _only(concat.outputs)

    def _taker(self, name: bytes) -> _Node:
        """The one node that takes the value `name`, once, where nothing else does."""
        taker = _only(self._takers.get(name, ()))
        if taker is None:
            raise _Unlike
        return taker

    def _place_of_ones(self, name: bytes, count: int) -> int:
        """The place of the weight `name`, if it is an array of `count` ones."""
        weights = [
            (place, _message(self._model, part.start, part.stop))
            for place, part in enumerate(self._parts)
            if part.number == _WEIGHT
        ]
        place, weight = _only((place, one) for place, one in weights if one.get(8) == [name])
        _check(_integers(weight.pop(1, [])) == [count])
        _check(weight == {2: [_INT64], 8: [name], 9: [struct.pack(f"<{count}q", *[1] * count)]})
        return place

    def _places(self, number: int) -> dict[bytes, int]:
        """The places of the graph's inputs, outputs or other described values, by their names."""
        return {
            _content(_only(_message(self._model, part.start, part.stop).get(1, ()))): place
            for place, part in enumerate(self._parts)
            if part.number == number
        }


def _encodes(node: _Node, feature: Feature) -> bool:
    """Whether a node gives the codes of `feature`."""
    known = codes_of(feature)
    attributes = dict(node.attributes)
    values, default = attributes.pop(b"values_int64s", {}), attributes.pop(b"default_int64", {})
    try:
        spelled: list[bytes | int | None] = [text.encode() for text in known]
    except UnicodeEncodeError:
        return False
    return (
        node.operator == (b"ai.onnx.ml", b"LabelEncoder")
        and attributes == {b"keys_strings": {9: spelled, 20: [8]}}
        and default == {3: [UNKNOWN], 20: [2]}
        and values.pop(20, []) == [7]
        and _integers(values.pop(8, [])) == list(known.values())
        and not values
    )


def _of_codes(value: bytes) -> bytes:
    """The description of a value that holds strings, as that of one that holds int64."""
    # The type of the value, within that the tensor's, and within that the type of elements.
    start, stop = 0, len(value)
    around = []
    for number in (2, 1):
        part = _only(one for one in _parts(value, start, stop) if one.number == number)
        around.append((value[start : part.begin], number, value[part.stop : stop]))
        start, stop = part.start, part.stop
    kind = _only(one for one in _parts(value, start, stop) if one.number == 1)
    _check(_message(value, kind.begin, kind.stop) == {1: [_STRING]})
    result = value[start : kind.begin] + written(1, _INT64) + value[kind.stop : stop]
    for before, number, after in reversed(around):
        result = before + written(number, result) + after
    return result


def _node(place: int, plain: _Message) -> _Node:
    attributes: dict[bytes, _Message] = {}
    for one in map(_content, plain.get(5, ())):
        attribute = _message(one, 0, len(one))
        name = _content(_only(attribute.pop(1, ())))
        _check(name not in attributes)
        attributes[name] = attribute
    domain = _content(_only(plain.get(7, [b""])))
    operator = _content(_only(plain.get(4, ())))
    inputs, outputs = ([*map(_content, plain.get(number, ()))] for number in (1, 2))
    return _Node(place, inputs, outputs, (b"" if domain == b"ai.onnx" else domain, operator), attributes)


def _taken_within(node: _Node) -> Iterator[bytes]:
    """The names that the graphs within `node` take from nodes, theirs or others, and that they give."""
    graphs = [*_graphs(node.attributes.values())]
    while graphs:
        inner = graphs.pop()
        graph = _message(inner, 0, len(inner))
        for output in map(_content, graph.get(_OUTPUT, ())):
            yield from map(_content, _message(output, 0, len(output)).get(1, ()))
        for one in map(_content, graph.get(_NODE, ())):
            plain = _message(one, 0, len(one))
            yield from map(_content, plain.get(1, ()))
            graphs += _graphs(_message(found, 0, len(found)) for found in map(_content, plain.get(5, ())))


def _graphs(attributes: Iterable[_Message]) -> list[bytes]:
    return [_content(one) for found in attributes for number in _INNER_GRAPHS for one in found.get(number, ())]


def _parts(data: bytes, start: int, stop: int) -> Iterator[_Part]:
    """The fields of a message."""
    begin = start
    for number, _, first, last in fields(data, start, stop):
        yield _Part(number, begin, first, last)
        begin = last


def _message(data: bytes, start: int, stop: int) -> _Message:
    found: _Message = {}
    for number, begin, first, last in _parts(data, start, stop):
        kind = data[begin] & 7
        value = data[first:last] if kind == LENGTH else number_at(data, first) if kind == VARINT else None
        found.setdefault(number, []).append(value)
    return found


def _integers(values: Iterable[bytes | int | None]) -> list[int]:
    """Integers, each in a field of its own or many packed into one."""
    found = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        at, packed = 0, _content(value)
        while at < len(packed):
            found.append(number_at(packed, at))
            while packed[at] > 127:
                at += 1
            at += 1
    return found


def _content(value: bytes | int | None) -> bytes:
    """The content of a field that has a length."""
    if not isinstance(value, bytes):
        raise _Unlike
    return value


def _only(values: Iterable[_T]) -> _T:
    """The one of `values`."""
    found = list(values)
    _check(len(found) == 1)
    return found[0]


def _check(holds: bool) -> None:
    if not holds:
        raise _Unlike
