"""The code of a graph in C: its operators in order, elementwise ones of one shape in one loop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge_export.c_code.convolution import CONVOLUTION
from edge_export.c_code.kernels import is_elementwise, write_kernel
from edge_export.c_code.linear import LINEAR
from edge_export.c_code.literals import Names, comment
from edge_export.c_code.lookups import LOOKUPS
from edge_export.c_code.movement import MOVEMENT, Written, is_view
from edge_export.c_code.ordering import ORDERING
from edge_export.c_code.recurrent import RECURRENT
from edge_export.c_code.reductions import REDUCTIONS
from edge_export.c_code.resizing import RESIZING
from edge_export.c_code.static_graph import Operation, StaticGraph, Value
from edge_export.c_code.writer import Stored, Writer, contiguous
from edge_export.errors import ExportError

_OPERATORS: Mapping[str, Written] = {
    **MOVEMENT,
    **LOOKUPS,
    **ORDERING,
    **LINEAR,
    **CONVOLUTION,
    **RESIZING,
    **RECURRENT,
    **REDUCTIONS,
}


def unsupported(graph: StaticGraph) -> list[str]:
    """The operators that there is no C code for."""
    found = {one.kind for one in graph.operations if one.kind not in (*_OPERATORS, "If") and not is_elementwise(one)}
    for one in graph.operations:
        for body in one.bodies:
            found.update(unsupported(body))
    return sorted(found)


def write_body(graph: StaticGraph, names: Names, in_8_bits: bool = False) -> Writer:
    """The statements that compute the outputs from the inputs, which are arrays of their names.

    Args:
        graph: what is computed.
        names: has the names that are taken.
        in_8_bits: whether weights are held in 8 bits.

    Raises:
        ExportError: there is no code for an operator.
    """
    if missing := unsupported(graph):
        raise ExportError(f"there is no C code for the ONNX operators {', '.join(missing)}")
    writer = Writer(names, in_8_bits)
    for value in graph.inputs:
        writer.put(value, Stored(names.new(value.name), contiguous(value.shape)))
    for value in graph.outputs:
        writer.places[value] = Stored(names.new(value.name), contiguous(value.shape))
    _write(writer, graph, set(graph.outputs))
    for value in graph.inputs:
        if not any(value in one.read for one in graph.operations) and value not in graph.outputs:
            writer.line(f"(void){writer.stored(value).name}; /* nothing is computed from it */")
    for value in graph.outputs:
        place = writer.places[value]
        if (stored := writer.stored(value)) != place:
            writer.copy(stored, place, value.shape)
    return writer


def _write(writer: Writer, graph: StaticGraph, ends: set[Value]) -> None:
    """The statements of a graph; `ends` are the values that are used behind it."""
    _place_parts(writer, graph)
    for group in grouped(graph.operations):
        first = group[0]
        if not is_view(first):
            writer.lines.append("")
            writer.line(f"/* {comment(_described(group))} */")
        if is_elementwise(first):
            inside = {id(one) for one in group}
            others = {value for one in graph.operations if id(one) not in inside for value in one.read}
            write_kernel(writer, group, others | ends)
        elif first.kind == "If":
            _write_branches(writer, first)
        else:
            _OPERATORS[first.kind](writer, first)


def _described(group: Sequence[Operation]) -> str:
    """What a group computes: its operators, and the module's parameters and buffers that they use."""
    kinds = ", ".join(dict.fromkeys(one.kind for one in group))
    given = dict.fromkeys(
        value.name for one in group for value in one.inputs if value is not None and "." in value.name
    )
    return f"{kinds}: {', '.join(given)}" if given else kinds


def _write_branches(writer: Writer, one: Operation) -> None:
    condition = writer.stored(one.input(0)).element(["0"] * len(one.input(0).shape))
    targets = [None if output is None else writer.new(output) for output in one.outputs]
    for head, body in zip((f"if ({condition})", "else"), one.bodies, strict=True):
        with writer.branch(head):
            _write(writer, body, set(body.outputs))
            for target, value in zip(targets, body.outputs, strict=True):
                if target is not None:
                    writer.copy(writer.stored(value), target, value.shape)


def _place_parts(writer: Writer, graph: StaticGraph) -> None:
    """Let what is put together be computed where it has to be, if it is whole there."""
    made_by = {value: one for one in graph.operations for value in one.outputs if value is not None}
    for one in reversed(graph.operations):
        if one.kind != "Concat":
            continue
        axis = one.attributes["axis"] % len(one.output.shape)
        if any(size != 1 for size in one.output.shape[:axis]):
            continue
        target = writer.places[one.output] = writer.new(one.output)
        offset = target.offset
        for part in one.inputs:
            assert part is not None
            maker = made_by.get(part)
            if maker is not None and not is_view(maker) and part not in writer.places:
                writer.places[part] = replace(target, strides=contiguous(part.shape), offset=offset)
            offset += part.size


def grouped(operations: Sequence[Operation]) -> list[list[Operation]]:
    """The operators in an order in which they can be computed, elementwise ones of one shape together if they can."""
    remaining, groups = list(operations), []
    done: set[Value] = set()
    produced = {value for one in operations for value in one.outputs if value is not None}

    def is_ready(one: Operation, known: set[Value]) -> bool:
        return all(value not in produced or value in known for value in one.read)

    while remaining:
        first = next(one for one in remaining if is_ready(one, done))
        group = [first]
        if is_elementwise(first):
            known = done | {first.output}
            for one in remaining:
                if one is first or not is_elementwise(one) or one.output.shape != first.output.shape:
                    continue
                if is_ready(one, known):
                    group.append(one)
                    known.add(one.output)
        for one in group:
            done.update(value for value in one.outputs if value is not None)
        taken = {id(one) for one in group}
        remaining = [one for one in remaining if id(one) not in taken]
        groups.append(group)
    return groups
