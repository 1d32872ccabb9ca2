"""Operators that read or write at places which are given in tensors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_export.c_code.movement import Written, checked_place, checked_places
from edge_export.c_code.static_graph import Operation, Value
from edge_export.c_code.writer import Stored, Writer, contiguous
from edge_export.errors import ExportError


def _gathered_elements(writer: Writer, one: Operation) -> None:
    given, indices = one.input(0), one.input(1)
    axis = one.attributes.get("axis", 0) % len(given.shape)
    stored, target = writer.in_order(given), writer.new(one.output)
    place_at = _on_axis(writer, indices, given.shape[axis])
    with writer.loops(one.output.shape) as places:
        element = stored.element([*places[:axis], place_at(places), *places[axis + 1 :]])
        writer.line(f"{target.element(places)} = {element};")


def _on_axis(writer: Writer, indices: Value, size: int) -> Callable[[Sequence[str]], str]:
    """What writes the place on an axis of `size` that stands at a place in `indices`."""
    if indices.constant is not None:
        known = writer.stored(replace(indices, constant=checked_places(indices.constant, size)))
        return known.element
    found = writer.stored(indices)
    return lambda places: checked_place(writer, found.element(places), size)


def _gathered_by_places(writer: Writer, one: Operation) -> None:
    """GatherND."""
    given, indices = one.input(0), one.input(1)
    batch, depth = one.attributes.get("batch_dims", 0), indices.shape[-1]
    stored, target = writer.in_order(given), writer.new(one.output)
    inner = given.shape[batch + depth :]
    row_at = _rows(writer, indices, given, batch)
    with writer.loops(indices.shape[:-1]) as outer:
        source = row_at(stored, outer)
        with writer.loops(inner) as rest:
            writer.line(f"{target.element([*outer, *rest])} = {source.element(rest)};")


def _rows(writer: Writer, indices: Value, given: Value, batch: int = 0) -> Callable[[Stored, Sequence[str]], Stored]:
    """What finds the part of a tensor like `given` whose place stands at a place in `indices`, along its last axis."""
    depth = indices.shape[-1]
    sizes = given.shape[batch : batch + depth]
    inner = contiguous(given.shape)[batch + depth :]
    if indices.constant is None:
        found = writer.stored(indices)

        def computed(stored: Stored, outer: Sequence[str]) -> Stored:
            axes = [
                checked_place(writer, found.element([*outer, str(place)]), size) for place, size in enumerate(sizes)
            ]
            return replace(stored.at([*outer[:batch], *axes]), strides=inner)

        return computed
    steps = contiguous(given.shape)[batch : batch + depth]
    flat = np.zeros(indices.shape[:-1], np.int64)
    for place, (size, step) in enumerate(zip(sizes, steps, strict=True)):
        flat += checked_places(indices.constant[..., place], size) * step
    dtype = np.dtype(np.int32)
    table = writer.stored(replace(indices, shape=flat.shape, dtype=dtype, constant=flat.astype(dtype)))

    def constant(stored: Stored, outer: Sequence[str]) -> Stored:
        there = stored.at(outer[:batch]).at([table.element(outer)], [1])
        return replace(there, strides=inner)

    return constant


_COMBINED: Mapping[str, Callable[[str, str, str], str]] = {
    "none": lambda here, new, dtype: new,
    "add": lambda here, new, dtype: f"{here} + {new}" if dtype.startswith("f") else f"add_{dtype}({here}, {new})",
    "mul": lambda here, new, dtype: f"{here} * {new}" if dtype.startswith("f") else f"multiply_{dtype}({here}, {new})",
    "max": lambda here, new, dtype: f"larger_{dtype}({here}, {new})",
    "min": lambda here, new, dtype: f"smaller_{dtype}({here}, {new})",
}


def _combined(one: Operation, element: str, update: str) -> str:
    how, dtype = one.attributes.get("reduction", "none"), one.output.dtype
    if dtype.kind == "b" and how != "none":
        raise ExportError(f"there is no C code for {one.kind} of booleans that adds or multiplies")
    return f"{element} = {_COMBINED[how](element, update, dtype.name)};"


def _scattered_elements(writer: Writer, one: Operation) -> None:
    given, indices, updates = one.input(0), one.input(1), one.input(2)
    axis = one.attributes.get("axis", 0) % len(given.shape)
    target, new = writer.new(one.output), writer.stored(updates)
    writer.copy(writer.stored(given), target, given.shape)
    place_at = _on_axis(writer, indices, given.shape[axis])
    with writer.loops(indices.shape) as places:
        element = target.element([*places[:axis], place_at(places), *places[axis + 1 :]])
        writer.line(_combined(one, element, new.element(places)))


def _scattered_by_places(writer: Writer, one: Operation) -> None:
    """ScatterND."""
    given, indices, updates = one.input(0), one.input(1), one.input(2)
    target, new = writer.new(one.output), writer.stored(updates)
    writer.copy(writer.stored(given), target, given.shape)
    row_at = _rows(writer, indices, given)
    with writer.loops(indices.shape[:-1]) as outer:
        there = row_at(target, outer)
        with writer.loops(given.shape[indices.shape[-1] :]) as rest:
            writer.line(_combined(one, there.element(rest), new.element([*outer, *rest])))


def _one_hot(writer: Writer, one: Operation) -> None:
    indices, values = one.input(0), one.input(2)
    axis = one.attributes.get("axis", -1) % len(one.output.shape)
    depth = one.output.shape[axis]
    found, pair, target = writer.stored(indices), writer.in_order(values), writer.new(one.output)
    off, on = pair.element(["0"]), pair.element(["1"])
    with writer.loops(one.output.shape) as places:
        index = found.element([*places[:axis], *places[axis + 1 :]])
        at = writer.names.new("at")
        writer.line(f"const int64_t {at} = {f'truncated({index})' if indices.dtype.kind == 'f' else index};")
        is_there = f"({at} < 0 ? {at} + {depth} : {at}) == {places[axis]}"
        writer.line(f"{target.element(places)} = {is_there} ? {on} : {off};")


LOOKUPS: Mapping[str, Written] = {
    "GatherElements": _gathered_elements,
    "GatherND": _gathered_by_places,
    "OneHot": _one_hot,
    "ScatterElements": _scattered_elements,
    "ScatterND": _scattered_by_places,
}
