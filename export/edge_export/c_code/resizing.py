"""Operators that make images and series larger or smaller: Resize, transposed convolutions, blocks to channels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_export.c_code.convolution import Window, by_group, slide
from edge_export.c_code.literals import c_type
from edge_export.c_code.movement import Written
from edge_export.c_code.static_graph import Operation, Value
from edge_export.c_code.writer import Stored, Writer, contiguous
from edge_export.errors import ExportError
from edge_export.tensors import Array


def _resized(writer: Writer, one: Operation) -> None:
    given, target = one.input(0), writer.new(one.output)
    mode = one.attributes.get("mode", "nearest")
    if one.attributes.get("antialias"):
        raise ExportError("there is no C code for Resize with antialias; interpolate with antialias=False")
    stored, dtype = writer.stored(given), one.output.dtype
    scales = _scales(one)
    seen = [
        None if size == whole and scale == 1 else _seen(one, mode, size, whole, scale)
        for size, whole, scale in zip(given.shape, one.output.shape, scales, strict=True)
    ]
    places_in = [None if one_axis is None else _table(writer, one.output, one_axis[0], "places") for one_axis in seen]
    if mode == "nearest":
        with writer.loops(one.output.shape) as places:
            found = [
                place if table is None else table.element([place, "0"])
                for place, table in zip(places, places_in, strict=True)
            ]
            writer.line(f"{target.element(places)} = {stored.element(found)};")
        return
    shares = [
        None if one_axis is None else _table(writer, one.output, one_axis[1].astype(dtype), "shares")
        for one_axis in seen
    ]
    total = writer.names.new("total")
    with writer.loops(one.output.shape) as places:
        writer.line(f"{c_type(dtype)} {total} = 0;")
        with writer.loops([1 if one_axis is None else one_axis[0].shape[1] for one_axis in seen]) as steps:
            found, factors = list(places), []
            for axis, (table, share) in enumerate(zip(places_in, shares, strict=True)):
                if table is not None and share is not None:
                    found[axis] = table.element([places[axis], steps[axis]])
                    factors.append(share.element([places[axis], steps[axis]]))
            writer.line(f"{total} += {' * '.join([*factors, stored.element(found)])};")
        writer.line(f"{target.element(places)} = {total};")


def _table(writer: Writer, like: Value, array: Array, name: str) -> Stored:
    return writer.constant(
        replace(like, name=f"{like.name}_{name}", shape=array.shape, dtype=array.dtype, constant=array)
    )


def _scales(one: Operation) -> list[float]:
    """How many times as large each axis becomes, as the operator says it."""
    shape, whole = one.input(0).shape, one.output.shape
    value = one.optional(2)
    if value is None or not value.size:
        return [new / old for new, old in zip(whole, shape, strict=True)]
    if value.constant is None:
        raise ExportError("C code needs constant sizes, but the scales of Resize are computed")
    scales = [1.0] * len(shape)
    for axis, scale in zip(one.attributes.get("axes", range(len(shape))), value.constant, strict=True):
        scales[axis] = float(scale)
    return scales


def _seen(one: Operation, mode: str, size: int, whole: int, scale: float) -> tuple[Array, Array]:
    """For each place on a larger axis, places on the given one and what share each has; both of shape (whole, few)."""
    at = _coordinates(one, size, whole, scale)
    if mode == "nearest":
        # A quotient that is whole may have come out a little less.
        rounded = {
            "floor": np.floor(at + 1e-6),
            "ceil": np.ceil(at - 1e-6),
            "round_prefer_floor": np.ceil(at - 0.5 - 1e-6),
            "round_prefer_ceil": np.floor(at + 0.5 + 1e-6),
        }[one.attributes.get("nearest_mode", "round_prefer_floor")]
        return _within(rounded[:, None], size), np.ones((whole, 1))
    if mode == "linear":
        at = np.clip(at, 0, size - 1)
        first = np.floor(at)
        share = at - first
        return _within(np.stack([first, first + 1], 1), size), np.stack([1 - share, share], 1)
    first, a = np.floor(at), one.attributes.get("cubic_coeff_a", -0.75)
    places = first[:, None] + np.arange(-1, 3)
    apart = np.abs(at[:, None] - places)
    near = ((a + 2) * apart - (a + 3)) * apart**2 + 1
    far = a * (((apart - 5) * apart + 8) * apart - 4)
    shares = np.where(apart <= 1, near, far)
    if one.attributes.get("exclude_outside"):
        shares = np.where((places < 0) | (places >= size), 0, shares)
        shares /= shares.sum(1, keepdims=True)
    return _within(places, size), shares


def _within(places: Array, size: int) -> Array:
    return np.clip(places, 0, size - 1).astype(np.int32)


def _coordinates(one: Operation, size: int, whole: int, scale: float) -> Array:
    """Where on the given axis each place of the new one is."""
    places = np.arange(whole, dtype=np.float64)
    way = one.attributes.get("coordinate_transformation_mode", "half_pixel")
    halves = (places + 0.5) / scale - 0.5
    match way:
        case "half_pixel":
            return halves
        case "pytorch_half_pixel":
            return halves if whole > 1 else np.zeros(1)
        case "asymmetric":
            return places / scale
        case "align_corners":
            return places * (size - 1) / max(1, whole - 1)
    raise ExportError(f"there is no C code for Resize with the coordinates {way}")


def _transposed_conv(writer: Writer, one: Operation) -> None:
    """Each element of the input adds to all those of the output that its window covers."""
    given, weight, bias = one.input(0), one.input(1), one.optional(2)
    groups = one.attributes.get("group", 1)
    stored, target = writer.in_order(given), writer.new(one.output)
    batch, channels, *sizes = given.shape
    _, outputs, *kernel = weight.shape
    inputs = channels // groups
    window = _window(one, kernel, sizes)
    weights = _weights(writer, weight, groups)
    start = None if bias is None else writer.stored(bias)
    with writer.loops(one.output.shape) as places:
        writer.line(f"{target.element(places)} = {'0' if start is None else start.element([places[1]])};")
    x, kind = writer.names.new("x"), c_type(one.output.dtype)
    of_input, of_output = by_group(stored, inputs), by_group(target, outputs)
    with writer.loops([batch, groups, inputs, *sizes]) as (image, group, channel, *places):
        writer.line(f"const {kind} {x} = {stored.element([image, group, channel, *places], of_input)};")

        def add(seen: list[str], steps: list[str]) -> None:
            with writer.loops([outputs]) as (output,):
                factor = weights.element([group, *steps, channel, output])
                writer.line(f"{target.element([image, group, output, *seen], of_output)} += {x} * {factor};")

        slide(writer, window, places, one.output.shape[2:], sizes, add)


def _window(one: Operation, kernel: Sequence[int], sizes: Sequence[int]) -> Window:
    rank, attributes = len(kernel), one.attributes
    steps, dilations = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank)
    before, automatic = list(attributes.get("pads", [0] * rank)[:rank]), attributes.get("auto_pad", "NOTSET")
    if "output_shape" in attributes or automatic.startswith("SAME"):
        added = attributes.get("output_padding", [0] * rank)
        for axis in range(rank):
            whole = (sizes[axis] - 1) * steps[axis] + (kernel[axis] - 1) * dilations[axis] + 1 + added[axis]
            cut = max(0, whole - one.output.shape[2 + axis])
            before[axis] = cut // 2 if automatic == "SAME_UPPER" else cut - cut // 2
    return Window(tuple(kernel), tuple(steps), tuple(dilations), tuple(before))


def _weights(writer: Writer, weight: Value, groups: int) -> Stored:
    """Weights with the axes (group, *window, channel of the group, output of the group)."""
    inputs, outputs, *kernel = weight.shape
    shape = (groups, inputs // groups, outputs, *kernel)
    axes = (0, *range(3, 3 + len(kernel)), 1, 2)
    if weight.constant is not None:
        return writer.derived(weight, "transposed by window", lambda array: array.reshape(shape).transpose(axes))
    steps = contiguous(shape)
    return replace(writer.in_order(weight), strides=tuple(steps[axis] for axis in axes))


def _depth_to_space(writer: Writer, one: Operation) -> None:
    batch, channels, height, width = one.input(0).shape
    block = one.attributes["blocksize"]
    rest = channels // block**2
    if one.attributes.get("mode", "DCR") == "DCR":
        _rearranged(writer, one, (batch, block, block, rest, height, width), (0, 3, 4, 1, 5, 2))
    else:
        _rearranged(writer, one, (batch, rest, block, block, height, width), (0, 1, 4, 2, 5, 3))


def _space_to_depth(writer: Writer, one: Operation) -> None:
    batch, channels, height, width = one.input(0).shape
    block = one.attributes["blocksize"]
    shape = (batch, channels, height // block, block, width // block, block)
    _rearranged(writer, one, shape, (0, 3, 5, 1, 2, 4))


def _rearranged(writer: Writer, one: Operation, shape: Sequence[int], axes: Sequence[int]) -> None:
    """The input as a tensor of `shape`, with its axes in another order."""
    stored, target = writer.in_order(one.input(0)), writer.new(one.output)
    steps, found = contiguous(shape), [shape[axis] for axis in axes]
    given = replace(stored, strides=tuple(steps[axis] for axis in axes))
    writer.copy(given, replace(target, strides=contiguous(found)), found)


RESIZING: Mapping[str, Written] = {
    "ConvTranspose": _transposed_conv,
    "DepthToSpace": _depth_to_space,
    "Resize": _resized,
    "SpaceToDepth": _space_to_depth,
}
