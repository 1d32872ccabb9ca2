"""Operators that move elements: most only say that the elements are read in another order."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from edge_export.c_code.static_graph import Operation
from edge_export.c_code.writer import Stored, Writer, broadcast, contiguous
from edge_export.errors import ExportError
from edge_export.tensors import Array

Written = Callable[[Writer, Operation], None]


def _same_order(writer: Writer, one: Operation) -> None:
    """Another shape for the same elements."""
    stored = writer.in_order(one.input(0))
    writer.put(one.output, Stored(stored.name, contiguous(one.output.shape), stored.offset, stored.is_literal))


def _transposed(writer: Writer, one: Operation) -> None:
    stored = writer.stored(one.input(0))
    axes = one.attributes.get("perm") or range(len(one.input(0).shape))[::-1]
    writer.put(one.output, replace(stored, strides=tuple(stored.strides[axis] for axis in axes)))


def _expanded(writer: Writer, one: Operation) -> None:
    given = one.input(0)
    stored = writer.stored(given)
    writer.put(one.output, replace(stored, strides=broadcast(stored.strides, given.shape, one.output.shape)))


def _sliced(writer: Writer, one: Operation) -> None:
    given, starts, ends = one.input(0), one.integers(1), one.integers(2)
    assert starts is not None
    assert ends is not None
    axes = one.integers(3) or list(range(len(starts)))
    steps = one.integers(4) or [1] * len(starts)
    stored = writer.stored(given)
    strides, offset = list(stored.strides), stored.offset
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = range(given.shape[axis])[slice(start, end if end > -(2**62) else None, step)]
        offset += strides[axis] * (places.start if len(places) else 0)
        strides[axis] *= step
    writer.put(one.output, replace(stored, strides=tuple(strides), offset=offset))


def _split(writer: Writer, one: Operation) -> None:
    given = one.input(0)
    axis = one.attributes.get("axis", 0)
    stored = writer.stored(given)
    offset = stored.offset
    count = len(one.outputs)
    sizes = one.integers(1) or [-(-given.shape[axis] // count)] * count
    for output, size in zip(one.outputs, sizes, strict=True):
        if output is not None:
            writer.put(output, replace(stored, offset=offset))
        offset += stored.strides[axis] * size


def _gathered(writer: Writer, one: Operation) -> None:
    given, indices = one.input(0), one.input(1)
    axis = one.attributes.get("axis", 0) % len(given.shape)
    size = given.shape[axis]
    if given.constant is not None and indices.constant is None and axis + 1 < len(given.shape):
        # The rows of an embedding, or of several of them.
        stored, scale = writer.weights(given, f"rows {axis}", lambda array: array, range(axis + 1))
    else:
        stored, scale = writer.in_order(given) if indices.constant is None else writer.stored(given), None
    if indices.constant is not None:
        places = checked_places(indices.constant, size)
        steps = np.unique(np.diff(places.reshape(-1)))
        if places.size and len(steps) <= 1 and places.ndim <= 1:
            step = int(steps[0]) if len(steps) else 0
            strides, before = stored.strides, stored.strides[:axis]
            offset = stored.offset + strides[axis] * int(places.reshape(-1)[0])
            inner = (strides[axis] * step,) * places.ndim
            writer.put(one.output, replace(stored, strides=(*before, *inner, *strides[axis + 1 :]), offset=offset))
            return
        indices = replace(indices, constant=places)
    target, found = writer.new(one.output), writer.stored(indices)
    with writer.loops(one.output.shape) as places_of:
        end = axis + len(indices.shape)
        index = found.element(places_of[axis:end])
        if indices.constant is None:
            index = checked_place(writer, index, size)
        place = [*places_of[:axis], index, *places_of[end:]]
        element = stored.element(place)
        if scale is not None:
            element = f"{scale.element(place)} * (float){element}"
        writer.line(f"{target.element(places_of)} = {element};")


def checked_places(indices: Array, size: int) -> Array:
    """Constant places on an axis, none of them negative.

    Raises:
        ExportError: one of them does not exist.
    """
    places = np.where(indices < 0, indices + size, indices).astype(np.int64)
    if places.size and (places < 0).any() | (places >= size).any():
        raise ExportError("the module looks something up at a place that does not exist")
    return places


def checked_place(writer: Writer, index: str, size: int) -> str:
    """A variable with a computed place on an axis; the function ends with an error if there is no such place."""
    given, name = writer.names.new("given"), writer.names.new("place")
    writer.line(f"const int64_t {given} = {index};")
    with writer.block(f"if ({given} < -{size} || {given} >= {size})"):
        writer.line("return 1;")
    writer.line(f"const int {name} = (int)({given} < 0 ? {given} + {size} : {given});")
    return name


def _joined(writer: Writer, one: Operation) -> None:
    axis = one.attributes["axis"] % len(one.output.shape)
    target = writer.new(one.output)
    offset = target.offset
    for part in one.inputs:
        assert part is not None
        if part.size:
            place = replace(target, offset=offset)
            stored = writer.stored(part)
            if (stored.name, stored.offset) != (place.name, place.offset):
                writer.copy(stored, place, part.shape)
        offset += part.shape[axis] * target.strides[axis]


def _padded(writer: Writer, one: Operation) -> None:
    given, pads = one.input(0), one.integers(1)
    assert pads is not None
    mode = one.attributes.get("mode", "constant")
    axes = one.integers(3) or list(range(len(given.shape)))
    if mode != "constant" and min(pads, default=0) < 0:
        raise ExportError(f"there is no C code for Pad in the mode {mode} that takes elements away")
    before, after = [0] * len(given.shape), [0] * len(given.shape)
    for axis, low, high in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        before[axis], after[axis] = low, high
    target, stored = writer.new(one.output), writer.stored(given)
    if mode != "constant":
        # The place in the input of each place in the output, for each axis.
        with writer.loops(one.output.shape) as places:
            found = []
            for axis, index in enumerate(places):
                added = (before[axis], after[axis])
                table = np.pad(np.arange(given.shape[axis]), added, mode)
                if added == (0, 0):
                    found.append(index)
                    continue
                value = replace(
                    one.output,
                    name=f"{one.output.name}_places",
                    shape=table.shape,
                    constant=table.astype(np.int32),
                    dtype=np.dtype(np.int32),
                )
                found.append(writer.stored(value).element([index]))
            writer.line(f"{target.element(places)} = {stored.element(found)};")
        return
    filling = one.optional(2)
    fill = "0" if filling is None else writer.stored(filling).element(["0"] * len(filling.shape))
    with writer.loops(one.output.shape) as places:
        writer.line(f"{target.element(places)} = {fill};")
    ranges = [
        (max(0, -low), size + min(0, high), low) for low, high, size in zip(before, after, given.shape, strict=True)
    ]
    offset = sum(stride * (first + low) for stride, (first, _, low) in zip(target.strides, ranges, strict=True))
    start = sum(stride * first for stride, (first, _, _) in zip(stored.strides, ranges, strict=True))
    writer.copy(
        replace(stored, offset=stored.offset + start),
        replace(target, offset=target.offset + offset),
        [last - first for first, last, _ in ranges],
    )


def _tiled(writer: Writer, one: Operation) -> None:
    given = one.input(0)
    target, stored = writer.new(one.output), writer.stored(given)
    with writer.loops(one.output.shape) as places:
        found = [
            index if size == whole else f"{index} % {size}" if size > 1 else "0"
            for index, size, whole in zip(places, given.shape, one.output.shape, strict=True)
        ]
        writer.line(f"{target.element(places)} = {stored.element(found)};")


def _triangle(writer: Writer, one: Operation) -> None:
    given, offsets = one.input(0), one.integers(1) if one.optional(1) is not None else [0]
    assert offsets is not None
    stored, target = writer.stored(given), writer.new(one.output)
    sign = ">=" if one.attributes.get("upper", 1) else "<="
    with writer.loops(one.output.shape) as places:
        is_kept = f"{places[-1]} - {places[-2]} {sign} {offsets[0]}"
        writer.line(f"{target.element(places)} = {is_kept} ? {stored.element(places)} : 0;")


_VIEWS = frozenset(
    [
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ]
)


def is_view(one: Operation) -> bool:
    """Whether an operator may only say where elements are, and write none."""
    return one.kind in _VIEWS and (one.kind != "Gather" or one.input(1).constant is not None)


MOVEMENT: Mapping[str, Written] = {
    "Concat": _joined,
    "Dropout": _same_order,
    "Expand": _expanded,
    "Flatten": _same_order,
    "Gather": _gathered,
    "Identity": _same_order,
    "Pad": _padded,
    "Reshape": _same_order,
    "Slice": _sliced,
    "Split": _split,
    "Squeeze": _same_order,
    "Tile": _tiled,
    "Transpose": _transposed,
    "Trilu": _triangle,
    "Unsqueeze": _same_order,
}
