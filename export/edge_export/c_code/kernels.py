"""Elementwise operators of one shape, computed in one loop: what is used only within it is in no array."""

from collections.abc import Collection, Sequence

from edge_export.c_code.elementwise import EXPRESSIONS
from edge_export.c_code.literals import c_type
from edge_export.c_code.static_graph import Operation, Value
from edge_export.c_code.writer import Writer, broadcast, merged


def is_elementwise(operation: Operation) -> bool:
    """Whether each element of its output is computed from one element of each input."""
    return operation.kind in EXPRESSIONS


def write_kernel(writer: Writer, operations: Sequence[Operation], needed: Collection[Value]) -> None:
    """Write operators whose outputs all have one shape.

    Args:
        writer: takes the code.
        operations: elementwise ones, in an order in which they can be computed.
        needed: the values that are used by others than these.
    """
    shape = operations[0].output.shape
    inner = dict.fromkeys(operation.output for operation in operations)
    outer = list(
        dict.fromkeys(
            one for operation in operations for one in operation.inputs if one is not None and one not in inner
        )
    )
    kept = [one for one in inner if one in needed]
    targets = {value: writer.new(value) for value in kept}
    sources = {value: writer.stored(value) for value in outer}
    strides = [
        *(targets[value].strides for value in kept),
        *(broadcast(sources[value].strides, value.shape, shape) for value in outer),
    ]
    sizes, steps = merged(shape, strides)
    step_of = dict(zip([*kept, *outer], steps, strict=True))
    with writer.loops(sizes) as indices:
        elements = {value: sources[value].element(indices, step_of[value]) for value in outer}
        for operation in operations:
            given = [elements[one] for one in operation.inputs if one is not None]
            text = EXPRESSIONS[operation.kind](operation, given)
            value = operation.output
            if value.dtype.kind in "iu" and value.dtype.itemsize < 4:
                # C computes with int.
                text = f"({c_type(value.dtype)})({text})"
            if value in targets and sum(value in one.inputs for one in operations) == 0:
                writer.line(f"{targets[value].element(indices, step_of[value])} = {text};")
                continue
            name = writer.names.new(value.name)
            writer.line(f"const {c_type(value.dtype)} {name} = {text};")
            elements[value] = name
            if value in targets:
                writer.line(f"{targets[value].element(indices, step_of[value])} = {name};")
