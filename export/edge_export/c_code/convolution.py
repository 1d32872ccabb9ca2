"""Operators that slide a window over an image or a series: convolutions and pooling."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_export.c_code.literals import c_type, literal
from edge_export.c_code.movement import Written
from edge_export.c_code.reductions import REDUCTIONS
from edge_export.c_code.static_graph import Operation, Value
from edge_export.c_code.writer import Stored, Writer
from edge_export.errors import ExportError

# With fewer outputs to a group than this, a compiler has more to gain from the places.
_FEW = 4


@dataclass(frozen=True)
class Window:
    """How a window goes over the axes behind the batch and the channels.

    Attributes:
        sizes: of the window.
        steps: from one place of the window to the next.
        dilations: how far apart the elements of the input are that the window sees.
        before: how many elements are added before the first.
    """

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]


def _window(one: Operation, sizes: Sequence[int], given: Sequence[int], found: Sequence[int]) -> Window:
    rank, attributes = len(sizes), one.attributes
    steps, dilations = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * 2 * rank)
    before = list(pads[:rank])
    if (automatic := attributes.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
        for axis in range(rank):
            whole = max(0, (found[axis] - 1) * steps[axis] + (sizes[axis] - 1) * dilations[axis] + 1 - given[axis])
            before[axis] = whole // 2 if automatic == "SAME_UPPER" else whole - whole // 2
    return Window(tuple(sizes), tuple(steps), tuple(dilations), tuple(before))


def _seen(window: Window, axis: int, place: str, step: str) -> str:
    """The place in the input of an element that the window sees."""
    stride, dilation, before = window.steps[axis], window.dilations[axis], window.before[axis]
    terms = [one for one in (_times(place, stride), _times(step, dilation)) if one != "0"]
    text = " + ".join(terms) or "0"
    return f"{text} - {before}" if before else text


def _times(index: str, factor: int) -> str:
    return index if factor == 1 or index == "0" else f"{index} * {factor}"


def _inside(window: Window, axis: int, place: str, size: int, found: int) -> tuple[list[str], bool]:
    """The conditions under which the window's element is in the input."""
    last = (found - 1) * window.steps[axis] + (window.sizes[axis] - 1) * window.dilations[axis] - window.before[axis]
    conditions = []
    if window.before[axis]:
        conditions.append(f"{place} >= 0")
    if last >= size:
        conditions.append(f"{place} < {size}")
    return conditions, bool(conditions)


def slide(
    writer: Writer,
    window: Window,
    places: Sequence[str],
    given: Sequence[int],
    found: Sequence[int],
    body: Callable[[list[str], list[str]], None],
) -> None:
    """Go through what the window sees at `places`: `body` is given where it is in the input and in the window."""

    def along(axis: int, seen: list[str], steps: list[str]) -> None:
        if axis == len(given):
            body(seen, steps)
            return
        with writer.loops([window.sizes[axis]]) as (step,):
            place = _seen(window, axis, places[axis], step)
            conditions, is_bounded = _inside(window, axis, place, given[axis], found[axis])
            if not is_bounded:
                along(axis + 1, [*seen, place], [*steps, step])
                return
            name = writer.names.new("at")
            writer.line(f"const int {name} = {place};")
            conditions = [condition.replace(place, name, 1) for condition in conditions]
            with writer.block(f"if ({' && '.join(conditions)})"):
                along(axis + 1, [*seen, name], [*steps, step])

    along(0, [], [])


def by_group(stored: Stored, size: int) -> list[int]:
    """The strides of a tensor whose channels are in groups: of an image, a group, a channel of it, and the places."""
    image, channel, *places = stored.strides
    return [image, channel * size, channel, *places]


def _conv(writer: Writer, one: Operation) -> None:
    if one.input(1).shape[0] // one.attributes.get("group", 1) < _FEW:
        _conv_by_planes(writer, one)
    else:
        _conv_by_places(writer, one)


def _conv_by_planes(writer: Writer, one: Operation) -> None:
    """For each weight, all places at once: with few outputs to a group, as of a depthwise convolution."""
    given, weight, bias = one.input(0), one.input(1), one.optional(2)
    groups = one.attributes.get("group", 1)
    stored, target = writer.in_order(given), writer.new(one.output)
    outputs, inputs, *kernel = weight.shape
    per_group, found = outputs // groups, one.output.shape[2:]
    window = _window(one, kernel, given.shape[2:], found)
    weights, scale = _weights(writer, weight, groups)
    biases = None if bias is None else writer.stored(bias)
    with writer.loops([given.shape[0], groups, per_group]) as (image, group, output):
        plane = target.at([image, group, output], by_group(target, per_group)[:3])
        plane = replace(plane, strides=target.strides[2:])
        with writer.loops(found) as places:
            start = "0" if biases is None else biases.element([group, output], [per_group, 1])
            writer.line(f"{plane.element(places)} = {start};")
        with writer.loops([inputs, *kernel]) as (channel, *steps):
            name = writer.names.new("weight")
            index = [group, *steps, channel, output]
            factor = "" if scale is None else f"{scale.element(index)} * (float)"
            writer.line(f"const {c_type(one.output.dtype)} {name} = {factor}{weights.element(index)};")
            with contextlib.ExitStack() as blocks:
                places = []
                for axis, step in enumerate(steps):
                    index_name = writer.names.new("at")
                    first, end = _reach(window, axis, step, given.shape[2 + axis], found[axis])
                    loop = f"for (int {index_name} = {first}; {index_name} < {end}; {index_name}++)"
                    blocks.enter_context(writer.block(loop))
                    places.append(index_name)
                seen = [_seen(window, axis, place, steps[axis]) for axis, place in enumerate(places)]
                source = stored.element(
                    [image, group, channel, *seen],
                    by_group(stored, inputs),
                )
                writer.line(f"{plane.element(places)} += {source} * {name};")


def _reach(window: Window, axis: int, step: str, size: int, found: int) -> tuple[str, str]:
    """The first place and the end of those at which an element of the window is in the input."""
    stride, before = window.steps[axis], window.before[axis]
    offset = _times(step, window.dilations[axis])
    shift = str(before) if offset == "0" else f"{before} - {offset}"
    last_step = 0 if step == "0" else (window.sizes[axis] - 1) * window.dilations[axis]
    first, end = "0", str(found)
    if before:
        rounded = f"({shift} + {stride - 1}) / {stride}" if stride > 1 else shift
        first = rounded if offset == "0" else f"{offset} < {before} ? {rounded} : 0"
    if (found - 1) * stride + last_step - before >= size:
        reached = f"({size + stride - 1} + {shift}) / {stride}" if stride > 1 else f"{size} + {shift}"
        end = f"({reached} < {found} ? {reached} : {found})"
    return first, end


def _conv_by_places(writer: Writer, one: Operation) -> None:
    """For each place, all outputs at once."""
    given, weight, bias = one.input(0), one.input(1), one.optional(2)
    groups = one.attributes.get("group", 1)
    stored, target = writer.in_order(given), writer.new(one.output)
    batch, _, *sizes = given.shape
    outputs, inputs, *kernel = weight.shape
    found = one.output.shape[2:]
    window = _window(one, kernel, sizes, found)
    per_group = outputs // groups
    # All outputs of a group for one element of the input: a compiler computes several of them at a time.
    weights, scale = _weights(writer, weight, groups)
    biases = None if bias is None else writer.stored(bias)

    def added(group: str, output: str) -> str:
        return "0" if biases is None else biases.element([group, output], [per_group, 1])

    with writer.loops([batch, *found]) as (image, *places):
        total = writer.names.new("total")
        kind = c_type(one.output.dtype)
        with writer.loops([groups]) as (group,):
            writer.line(f"{kind} {total}[{per_group}];")
            with writer.loops([per_group]) as (output,):
                writer.line(f"{total}[{output}] = {'0' if scale else added(group, output)};")

            def add(seen: list[str], steps: list[str]) -> None:
                with writer.loops([inputs]) as (channel,):
                    element = stored.element(
                        [image, group, channel, *seen],
                        by_group(stored, inputs),
                    )
                    value = writer.names.new("x")
                    writer.line(f"const {kind} {value} = {element};")
                    with writer.loops([per_group]) as (output,):
                        factor = f"{'(float)' if scale else ''}{weights.element([group, *steps, channel, output])}"
                        writer.line(f"{total}[{output}] += {value} * {factor};")

            slide(writer, window, places, sizes, found, add)
            with writer.loops([per_group]) as (output,):
                place = target.element(
                    [image, group, output, *places],
                    by_group(target, per_group),
                )
                if scale is None:
                    writer.line(f"{place} = {total}[{output}];")
                else:
                    factor = scale.element([group, *("0" for _ in kernel), "0", output])
                    writer.line(f"{place} = {total}[{output}] * {factor} + {added(group, output)};")


def _weights(writer: Writer, weight: Value, groups: int) -> tuple[Stored, Stored | None]:
    """Weights with the axes (group, *window, channel of the group, output of the group), and their scales."""
    outputs, inputs, *kernel = weight.shape
    shape = (groups, outputs // groups, inputs, *kernel)
    axes = (0, *range(3, 3 + len(kernel)), 2, 1)
    if weight.constant is not None:
        return writer.weights(weight, "by window", lambda array: array.reshape(shape).transpose(axes), [0, -1])
    stored = writer.in_order(weight)
    steps = (stored.strides[0] * (outputs // groups), *stored.strides)
    return replace(stored, strides=tuple(steps[axis] for axis in axes)), None


def _pool(writer: Writer, one: Operation) -> None:
    given = one.input(0)
    if len(one.outputs) > 1 and one.outputs[1] is not None:
        raise ExportError("there is no C code for the places that MaxPool finds")
    stored, target = writer.in_order(given), writer.new(one.output)
    sizes, found = given.shape[2:], one.output.shape[2:]
    window = _window(one, one.attributes["kernel_shape"], sizes, found)
    kind, dtype = c_type(given.dtype), given.dtype
    is_mean = one.kind == "AveragePool"
    counts_all = one.attributes.get("count_include_pad", 0)
    with writer.loops(one.output.shape) as (image, channel, *places):
        total, count = writer.names.new("total" if is_mean else "largest"), writer.names.new("count")
        is_cut = any(_inside(window, axis, "at", sizes[axis], found[axis])[1] for axis in range(len(sizes)))
        counts = is_mean and is_cut and not counts_all
        least = "-INFINITY" if dtype.kind == "f" else literal(np.iinfo(dtype).min, dtype)
        writer.line(f"{kind} {total} = {'0' if is_mean else least};")
        if counts:
            writer.line(f"int {count} = 0;")

        def take(seen: list[str], steps: list[str]) -> None:
            element = stored.element([image, channel, *seen])
            if is_mean:
                writer.line(f"{total} += {element};")
                if counts:
                    writer.line(f"{count}++;")
            else:
                writer.line(f"{total} = larger_{dtype.name}({total}, {element});")

        slide(writer, window, places, sizes, found, take)
        divisor = f"({kind}){count}" if counts else _covered(writer, one, window, places)
        result = f"{total} / {divisor}" if is_mean else total
        writer.line(f"{target.element([image, channel, *places])} = {result};")


def _covered(writer: Writer, one: Operation, window: Window, places: Sequence[str]) -> str:
    """How many elements of the input, with all that are added to it, a window has at `places`."""
    sizes, found, value = one.input(0).shape[2:], one.output.shape[2:], one.output
    pads = one.attributes.get("pads", [0] * 2 * len(sizes))
    whole, factors = 1, []
    for axis, size in enumerate(window.sizes):
        seen = np.arange(found[axis])[:, None] * window.steps[axis] + np.arange(size) * window.dilations[axis]
        counts = (seen < sizes[axis] + pads[axis] + pads[axis + len(sizes)]).sum(1)
        if one.attributes.get("auto_pad", "NOTSET").startswith("SAME") or (counts == size).all():
            whole *= size
        else:
            # With ceil_mode, the last window may go beyond.
            array = counts.astype(value.dtype)
            table = replace(value, name=f"{value.name}_covered", shape=array.shape, constant=array)
            factors.append(writer.constant(table).element([places[axis]]))
    text = " * ".join([literal(value.dtype.type(whole), value.dtype), *factors])
    return f"({text})" if factors else text


def _global_pool(writer: Writer, one: Operation) -> None:
    kind = "ReduceMean" if one.kind == "GlobalAveragePool" else "ReduceMax"
    axes = list(range(2, len(one.input(0).shape)))
    REDUCTIONS[kind](writer, replace(one, kind=kind, attributes={"axes": axes}))


CONVOLUTION: Mapping[str, Written] = {
    "AveragePool": _pool,
    "Conv": _conv,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _pool,
}
