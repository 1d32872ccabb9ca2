"""Operators that go along one axis: running sums, and the largest elements in their order."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from edge_export.c_code.literals import c_type
from edge_export.c_code.movement import Written
from edge_export.c_code.static_graph import Operation
from edge_export.c_code.writer import Writer
from edge_export.errors import ExportError


def _along(writer: Writer, shape: Sequence[int], axis: int) -> AbstractContextManager[list[str]]:
    """Loops over all axes but the one that something goes along."""
    return writer.loops([1 if place == axis else size for place, size in enumerate(shape)])


def _running_sum(writer: Writer, one: Operation) -> None:
    given, axes, dtype = one.input(0), one.integers(1), one.output.dtype
    assert axes is not None
    axis = axes[0] % len(given.shape)
    size = given.shape[axis]
    stored, target = writer.stored(given), writer.new(one.output)
    total = writer.names.new("total")
    with _along(writer, given.shape, axis) as places:
        writer.line(f"{c_type(dtype)} {total} = 0;")
        with writer.loops([size]) as (step,):
            at = f"{size - 1} - {step}" if one.attributes.get("reverse") and step != "0" else step
            places[axis] = at
            element = stored.element(places)
            added = f"{total} + {element}" if dtype.kind == "f" else f"add_{dtype.name}({total}, {element})"
            steps = [f"{target.element(places)} = {total};", f"{total} = {added};"]
            for line in steps if one.attributes.get("exclusive") else steps[::-1]:
                writer.line(line)


def _largest(writer: Writer, one: Operation) -> None:
    """TopK: one element after another, each the first among those that are behind the one before."""
    given = one.input(0)
    if given.dtype.kind == "b":
        raise ExportError("there is no C code for TopK of booleans")
    axis = one.attributes.get("axis", -1) % len(given.shape)
    size = given.shape[axis]
    stored = writer.stored(given)
    outputs = [*one.outputs, None][:2]
    values, indices = (None if output is None else writer.new(output) for output in outputs)
    count = next(output for output in outputs if output is not None).shape[axis]
    last, best = writer.names.new("last"), writer.names.new("best")

    def comes_first(a: str, b: str) -> str:
        a, b = (a, b) if one.attributes.get("largest", 1) else (b, a)
        return f"is_above_{given.dtype.name}({a}, {b})"

    with _along(writer, given.shape, axis) as places:

        def at(index: str) -> str:
            return stored.element([*places[:axis], index, *places[axis + 1 :]])

        writer.line(f"int {last} = -1;")
        with writer.loops([count]) as (rank,):
            writer.line(f"int {best} = -1;")
            with writer.loops([size]) as (k,):
                behind = f"{comes_first(at(last), at(k))} || (!{comes_first(at(k), at(last))} && {k} > {last})"
                with writer.block(f"if ({last} < 0 || {behind})"):
                    writer.line(f"{best} = {best} < 0 || {comes_first(at(k), at(best))} ? {k} : {best};")
            places_of = [*places[:axis], rank, *places[axis + 1 :]]
            if values is not None:
                writer.line(f"{values.element(places_of)} = {at(best)};")
            if indices is not None:
                writer.line(f"{indices.element(places_of)} = {best};")
            writer.line(f"{last} = {best};")


ORDERING: Mapping[str, Written] = {"CumSum": _running_sum, "TopK": _largest}
