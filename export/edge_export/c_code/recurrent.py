"""Recurrent layers: LSTM, GRU and RNN, as ONNX defines them (https://onnx.ai/onnx/operators/onnx__LSTM.html)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edge_export.c_code.elementwise import of_type
from edge_export.c_code.literals import c_type
from edge_export.c_code.movement import Written
from edge_export.c_code.static_graph import Operation, Value
from edge_export.c_code.writer import Stored, Writer
from edge_export.errors import ExportError

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


@dataclass(frozen=True)
class _Matrix:
    """Weights, and their scales if they are in 8 bits."""

    stored: Stored
    scale: Stored | None = None

    def element(self, row: str, column: str, offset: int = 0) -> str:
        """The weight at a row and a column, of which the first is at `offset`."""
        indices = [row, column]
        text = replace(self.stored, offset=self.stored.offset + offset * self.stored.strides[1]).element(indices)
        if self.scale is None:
            return text
        return f"({replace(self.scale, offset=self.scale.offset + offset).element(indices)} * (float){text})"


@dataclass(frozen=True)
class _Layer:
    """One direction of a recurrent layer.

    Attributes:
        kind: LSTM, GRU or RNN.
        input, hidden: how many numbers a step takes, and how many it returns.
        weights, recurrent: of shape (input, gates * hidden) and (hidden, gates * hidden).
        bias: of shape (2 * gates * hidden,): of the input, then of what is carried on; None if there is none.
        activations: of the gates, of what is new, and of the LSTM's output.
        resets_after: whether a GRU multiplies before it resets.
    """

    kind: str
    input: int
    hidden: int
    weights: _Matrix
    recurrent: _Matrix
    bias: Stored | None
    activations: list[str]
    resets_after: bool


def _activated(name: str, text: str, dtype: np.dtype) -> str:
    match name:
        case "Sigmoid":
            return f"sigmoid_{dtype.name}({text})"
        case "Tanh":
            return f"{of_type('tanh', dtype)}({text})"
        case "Relu":
            return f"larger_{dtype.name}({text}, 0)"
    raise ExportError(f"there is no C code for a recurrent layer with the activation {name}")


def _recurrent(writer: Writer, one: Operation) -> None:
    kind, attributes = one.kind, one.attributes
    x, w, r = one.input(0), one.input(1), one.input(2)
    if one.optional(4) is not None or (kind == "LSTM" and one.optional(7) is not None):
        raise ExportError(f"there is no C code for {kind} with lengths of its own or peepholes")
    if attributes.get("layout", 0) or attributes.get("clip") or attributes.get("input_forget"):
        raise ExportError(f"there is no C code for {kind} with layout, clip or input_forget")
    directions, gates, dtype = w.shape[0], _GATES[kind], x.dtype
    hidden = w.shape[1] // gates
    length, batch, size = x.shape
    given = writer.stored(x)
    activations = [
        one.decode() if isinstance(one, bytes) else one
        for one in attributes.get("activations", _DEFAULTS[kind] * directions)
    ]
    per_direction = len(activations) // directions
    outputs = [*one.outputs, None, None][:3]
    every, last, last_cell = (None if output is None else writer.new(output) for output in outputs)
    initial = one.optional(5)
    initial_cell = one.optional(6) if kind == "LSTM" else None
    for value in (initial, initial_cell):
        if value is not None:
            writer.in_order(value)
    real = c_type(dtype)
    for direction in range(directions):
        layer = _Layer(
            kind,
            size,
            hidden,
            _matrix(writer, w, direction),
            _matrix(writer, r, direction),
            _vector(writer, one.optional(3), direction),
            activations[direction * per_direction : (direction + 1) * per_direction],
            bool(attributes.get("linear_before_reset", 0)),
        )
        is_backwards = attributes.get("direction") == "reverse" or direction == 1
        state = writer.names.new("state")
        cell = writer.names.new("cell") if kind == "LSTM" else None
        with writer.loops([batch]) as (row,):
            writer.line(f"{real} {state}[{hidden}]{f', {cell}[{hidden}]' if cell else ''};")
            with writer.loops([hidden]) as (unit,):
                for name, value in ((state, initial), (cell, initial_cell)):
                    if name is not None:
                        start = "0" if value is None else writer.in_order(value).element([str(direction), row, unit])
                        writer.line(f"{name}[{unit}] = {start};")
            with writer.loops([length]) as (step,):
                time = f"{length - 1} - {step}" if is_backwards and step != "0" else step
                if time != step:
                    name = writer.names.new("step")
                    writer.line(f"const int {name} = {time};")
                    time = name
                _step(writer, layer, given.at([time, row]), state, cell, dtype)
                if every is not None:
                    with writer.loops([hidden]) as (unit,):
                        writer.line(f"{every.element([time, str(direction), row, unit])} = {state}[{unit}];")
            for place, name in ((last, state), (last_cell, cell)):
                if place is not None and name is not None:
                    with writer.loops([hidden]) as (unit,):
                        writer.line(f"{place.element([str(direction), row, unit])} = {name}[{unit}];")


def _matrix(writer: Writer, value: Value, direction: int) -> _Matrix:
    """The weights of a direction, of shape (what comes in, gates * hidden)."""
    if value.constant is not None:
        return _Matrix(*writer.weights(value, f"direction {direction}", lambda array: array[direction].T, [-1]))
    stored = writer.in_order(value)
    _, rows, columns = value.shape
    return _Matrix(replace(stored, strides=(1, columns), offset=stored.offset + direction * rows * columns))


def _vector(writer: Writer, value: Value | None, direction: int) -> Stored | None:
    if value is None:
        return None
    stored = writer.in_order(value)
    return replace(stored, strides=(1,), offset=stored.offset + direction * value.shape[1])


def _step(writer: Writer, layer: _Layer, x: Stored, state: str, cell: str | None, dtype: np.dtype) -> None:
    """Go on by one step: `state` and `cell` become those after it."""
    gates, hidden, real = _GATES[layer.kind], layer.hidden, c_type(dtype)
    width = gates * hidden
    is_gru = layer.kind == "GRU"
    # What comes of the input; and of a GRU what comes of the state, which is reset by itself.
    sums = writer.names.new("gates")
    carried = writer.names.new("carried") if is_gru else sums
    writer.line(f"{real} {sums}[{width}]{f', {carried}[{width}]' if is_gru else ''};")
    with writer.loops([width]) as (gate,):
        biases = ["0", "0"]
        if layer.bias is not None:
            biases = [layer.bias.element([gate]), replace(layer.bias, offset=layer.bias.offset + width).element([gate])]
        if is_gru:
            writer.line(f"{sums}[{gate}] = {biases[0]};")
            writer.line(f"{carried}[{gate}] = {biases[1]};")
        else:
            writer.line(f"{sums}[{gate}] = {' + '.join(biases) if layer.bias is not None else '0'};")
    with writer.loops([layer.input, width]) as (k, gate):
        writer.line(f"{sums}[{gate}] += {x.element([k])} * {layer.weights.element(k, gate)};")
    of_state = width if not is_gru or layer.resets_after else 2 * hidden
    with writer.loops([hidden, of_state]) as (k, gate):
        writer.line(f"{carried}[{gate}] += {state}[{k}] * {layer.recurrent.element(k, gate)};")
    first = layer.activations[0]

    def gate_of(name: str, place: int, unit: str) -> str:
        return f"{name}[{unit}{f' + {place * hidden}' if place else ''}]"

    if is_gru and not layer.resets_after:
        reset = writer.names.new("reset")
        writer.line(f"{real} {reset}[{hidden}];")
        with writer.loops([hidden]) as (unit,):
            text = f"{gate_of(sums, 1, unit)} + {gate_of(carried, 1, unit)}"
            writer.line(f"{reset}[{unit}] = {_activated(first, text, dtype)} * {state}[{unit}];")
        with writer.loops([hidden, hidden]) as (k, unit):
            factor = layer.recurrent.element(k, unit, 2 * hidden)
            writer.line(f"{gate_of(carried, 2, unit)} += {reset}[{k}] * {factor};")
    with writer.loops([hidden]) as (unit,):
        if layer.kind == "RNN":
            writer.line(f"{state}[{unit}] = {_activated(first, f'{sums}[{unit}]', dtype)};")
        elif layer.kind == "LSTM":
            entered, output, forgotten = (_activated(first, gate_of(sums, place, unit), dtype) for place in range(3))
            added = _activated(layer.activations[1], gate_of(sums, 3, unit), dtype)
            writer.line(f"{cell}[{unit}] = {forgotten} * {cell}[{unit}] + {entered} * {added};")
            writer.line(f"{state}[{unit}] = {output} * {_activated(layer.activations[2], f'{cell}[{unit}]', dtype)};")
        else:
            kept, new = writer.names.new("kept"), writer.names.new("new")
            text = f"{gate_of(sums, 0, unit)} + {gate_of(carried, 0, unit)}"
            writer.line(f"const {real} {kept} = {_activated(first, text, dtype)};")
            again = gate_of(carried, 2, unit)
            if layer.resets_after:
                text = f"{gate_of(sums, 1, unit)} + {gate_of(carried, 1, unit)}"
                again = f"{_activated(first, text, dtype)} * {again}"
            text = f"{gate_of(sums, 2, unit)} + {again}"
            writer.line(f"const {real} {new} = {_activated(layer.activations[1], text, dtype)};")
            writer.line(f"{state}[{unit}] = (1 - {kept}) * {new} + {kept} * {state}[{unit}];")


RECURRENT: Mapping[str, Written] = dict.fromkeys(_GATES, _recurrent)
