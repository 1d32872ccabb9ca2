"""Operators that make one number of many: sums, means, the largest, softmax, and normalisation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge_export.c_code.elementwise import of_type
from edge_export.c_code.literals import c_type, literal
from edge_export.c_code.movement import Written
from edge_export.c_code.static_graph import Operation, Value
from edge_export.c_code.writer import Stored, Writer, broadcast, contiguous
from edge_export.errors import ExportError


def _axes(one: Operation, rank: int) -> list[int]:
    """The axes along which an operator reduces: all if it names none."""
    axes = one.integers(1, "axes")
    if not axes:
        return [] if one.attributes.get("noop_with_empty_axes") else list(range(rank))
    return sorted(axis % rank for axis in axes)


def _count(value: Value, axes: Sequence[int]) -> int:
    count = 1
    for axis in axes:
        count *= value.shape[axis]
    return count


def _split(stored: Stored, shape: Sequence[int], axes: Sequence[int]) -> tuple[Stored, list[int], list[int]]:
    """`stored` with the axes that stay before those that are reduced, and the sizes of both."""
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    strides = tuple(stored.strides[axis] for axis in (*kept, *axes))
    return replace(stored, strides=strides), [shape[axis] for axis in kept], [shape[axis] for axis in axes]


def _number(value: float, of: Value) -> str:
    return literal(of.dtype.type(value), of.dtype)


# By operator: where to begin, how an element comes to what there is, and what is made of it in the end.
_Reduction = tuple[str, Callable[[str, str, Value], str], Callable[[str, Operation, int], str]]


def _plain(found: str, one: Operation, count: int) -> str:
    return found


def _added(total: str, x: str, of: Value) -> str:
    return f"{total} += {x};" if of.dtype.kind == "f" else f"{total} = add_{of.dtype.name}({total}, {x});"


def _multiplied(total: str, x: str, of: Value) -> str:
    return f"{total} *= {x};" if of.dtype.kind == "f" else f"{total} = multiply_{of.dtype.name}({total}, {x});"


def _added_square(total: str, x: str, of: Value) -> str:
    return _added(total, f"{x} * {x}" if of.dtype.kind == "f" else f"multiply_{of.dtype.name}({x}, {x})", of)


def _added_absolute(total: str, x: str, of: Value) -> str:
    return _added(total, f"{of_type('fabs', of.dtype) if of.dtype.kind == 'f' else f'absolute_{of.dtype}'}({x})", of)


_REDUCTIONS: Mapping[str, _Reduction] = {
    "ReduceSum": ("0", _added, _plain),
    "ReduceMean": ("0", _added, lambda found, one, count: f"{found} / {_number(count, one.output)}"),
    "ReduceProd": ("1", _multiplied, _plain),
    "ReduceSumSquare": ("0", _added_square, _plain),
    "ReduceL2": ("0", _added_square, lambda found, one, count: f"{of_type('sqrt', one.output.dtype)}({found})"),
    "ReduceL1": ("0", _added_absolute, _plain),
    "ReduceLogSum": ("0", _added, lambda found, one, count: f"{of_type('log', one.output.dtype)}({found})"),
}
# What has no integer for its result.
_OF_FLOATS = ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp")


def _reduced(writer: Writer, one: Operation) -> None:
    given, kind = one.input(0), one.kind
    axes = _axes(one, len(given.shape))
    stored, kept, inner = _split(writer.in_order(given), given.shape, axes)
    target = writer.new(one.output)
    # Where elements are in the output, whether it keeps the reduced axes or not.
    steps = [step for step, size in zip(target.strides, one.output.shape, strict=True) if size != 1]
    target = replace(target, strides=tuple(steps))
    total = writer.names.new("total" if kind not in ("ReduceMax", "ReduceMin") else "found")
    dtype = given.dtype
    if dtype.kind != "f" and kind in _OF_FLOATS:
        raise ExportError(f"there is no C code for {kind} of {dtype.name}")
    with writer.loops(kept) as places:
        outer = [place for place in places if place != "0"]
        if kind in ("ReduceMax", "ReduceMin"):
            first = stored.element([*places, *("0" for _ in inner)])
            writer.line(f"{c_type(dtype)} {total} = {first};")
            name = f"{'larger' if kind == 'ReduceMax' else 'smaller'}_{dtype.name}"
            with writer.loops(inner) as found:
                element = stored.element([*places, *found])
                both = f"{total} {'||' if kind == 'ReduceMax' else '&&'} {element}"
                writer.line(f"{total} = {both if dtype.kind == 'b' else f'{name}({total}, {element})'};")
            writer.line(f"{target.element(outer)} = {total};")
        elif kind == "ReduceLogSumExp":
            largest = writer.names.new("largest")
            exp, log = of_type("exp", dtype), of_type("log", dtype)
            writer.line(f"{c_type(dtype)} {largest} = {stored.element([*places, *('0' for _ in inner)])};")
            with writer.loops(inner) as found:
                element = stored.element([*places, *found])
                writer.line(f"{largest} = larger_{dtype.name}({largest}, {element});")
            writer.line(f"if (isinf({largest})) {largest} = 0;")
            writer.line(f"{c_type(dtype)} {total} = 0;")
            with writer.loops(inner) as found:
                writer.line(f"{total} += {exp}({stored.element([*places, *found])} - {largest});")
            writer.line(f"{target.element(outer)} = {log}({total}) + {largest};")
        else:
            begin, add, end = _REDUCTIONS[kind]
            writer.line(f"{c_type(dtype)} {total} = {begin};")
            with writer.loops(inner) as found:
                writer.line(add(total, stored.element([*places, *found]), given))
            writer.line(f"{target.element(outer)} = {end(total, one, _count(given, axes))};")


def _place_of_extreme(writer: Writer, one: Operation) -> None:
    given = one.input(0)
    axis = one.attributes.get("axis", 0) % len(given.shape)
    stored, kept, (size,) = _split(writer.in_order(given), given.shape, [axis])
    target = writer.new(one.output)
    steps = [step for step, length in zip(target.strides, one.output.shape, strict=True) if length != 1]
    best = writer.names.new("best")
    sign = ">" if one.kind == "ArgMax" else "<"
    sign += "=" if one.attributes.get("select_last_index") else ""
    with writer.loops(kept) as places:
        outer = [place for place in places if place != "0"]
        writer.line(f"int {best} = 0;")
        with writer.loops([size]) as (index,):
            found, known = stored.element([*places, index]), stored.element([*places, best])
            writer.line(f"if ({found} {sign} {known}) {best} = {index};")
        writer.line(f"{target.element(outer, steps)} = {best};")


def _softmax(writer: Writer, one: Operation) -> None:
    given, dtype = one.input(0), one.output.dtype
    axis = one.attributes.get("axis", -1) % len(given.shape)
    target = writer.new(one.output)
    stored, kept, (size,) = _split(writer.stored(given), given.shape, [axis])
    found, _, _ = _split(target, given.shape, [axis])
    largest, total = writer.names.new("largest"), writer.names.new("total")
    exp, kind = of_type("exp", dtype), c_type(dtype)
    with writer.loops(kept) as places:
        writer.line(f"{kind} {largest} = {stored.element([*places, '0'])};")
        with writer.loops([size]) as (k,):
            element = stored.element([*places, k])
            writer.line(f"if ({element} > {largest}) {largest} = {element};")
        writer.line(f"{kind} {total} = 0;")
        with writer.loops([size]) as (k,):
            element = found.element([*places, k])
            shifted = f"{stored.element([*places, k])} - {largest}"
            if one.kind == "LogSoftmax":
                writer.line(f"{element} = {shifted};")
                writer.line(f"{total} += {exp}({element});")
            else:
                writer.line(f"{element} = {exp}({shifted});")
                writer.line(f"{total} += {element};")
        if one.kind == "LogSoftmax":
            writer.line(f"{total} = {of_type('log', dtype)}({total});")
        with writer.loops([size]) as (k,):
            writer.line(f"{found.element([*places, k])} {'-=' if one.kind == 'LogSoftmax' else '/='} {total};")


def normalised(
    writer: Writer,
    given: Stored,
    target: Stored,
    kept: Sequence[int],
    inner: Sequence[int],
    epsilon: str,
    dtype_of: Value,
    finish: Callable[[str, list[str], list[str]], str],
) -> None:
    """Shift and scale what lies along the inner axes to mean 0 and variance 1; `finish` says what is made of it."""
    kind, sqrt = c_type(dtype_of.dtype), of_type("sqrt", dtype_of.dtype)
    mean, variance, scale = (writer.names.new(name) for name in ("mean", "variance", "scale"))
    count = 1
    for size in inner:
        count *= size
    number = _number(count, dtype_of)
    with writer.loops(kept) as places:
        writer.line(f"{kind} {mean} = 0;")
        with writer.loops(inner) as found:
            writer.line(f"{mean} += {given.element([*places, *found])};")
        writer.line(f"{mean} /= {number};")
        writer.line(f"{kind} {variance} = 0;")
        with writer.loops(inner) as found:
            apart = f"{given.element([*places, *found])} - {mean}"
            writer.line(f"{variance} += ({apart}) * ({apart});")
        writer.line(f"const {kind} {scale} = 1 / {sqrt}({variance} / {number} + {epsilon});")
        with writer.loops(inner) as found:
            scaled = f"({given.element([*places, *found])} - {mean}) * {scale}"
            writer.line(f"{target.element([*places, *found])} = {finish(scaled, places, found)};")


def _layer_norm(writer: Writer, one: Operation) -> None:
    given, weight, bias = one.input(0), one.input(1), one.optional(2)
    axis = one.attributes.get("axis", -1) % len(given.shape)
    if any(output is not None for output in one.outputs[1:]):
        raise ExportError("there is no C code for the mean and the deviation that LayerNormalization returns")
    stored, target = writer.in_order(given), writer.new(one.output)
    kept, inner = given.shape[:axis], given.shape[axis:]

    def factor(value: Value, places: list[str], found: list[str]) -> str:
        known = writer.stored(value)
        return known.element([*places, *found], broadcast(known.strides, value.shape, given.shape))

    def finish(scaled: str, places: list[str], found: list[str]) -> str:
        text = f"{scaled} * {factor(weight, places, found)}"
        return text if bias is None else f"{text} + {factor(bias, places, found)}"

    epsilon = _number(one.attributes.get("epsilon", 1e-5), one.output)
    normalised(writer, stored, target, kept, inner, epsilon, one.output, finish)


def _instance_norm(writer: Writer, one: Operation) -> None:
    given, weight, bias = one.input(0), writer.stored(one.input(1)), writer.stored(one.input(2))
    stored, target = writer.in_order(given), writer.new(one.output)

    def finish(scaled: str, places: list[str], found: list[str]) -> str:
        return f"{scaled} * {weight.element([places[1]])} + {bias.element([places[1]])}"

    epsilon = _number(one.attributes.get("epsilon", 1e-5), one.output)
    normalised(writer, stored, target, given.shape[:2], given.shape[2:], epsilon, one.output, finish)


def _group_norm(writer: Writer, one: Operation) -> None:
    given, weight, bias = one.input(0), one.input(1), one.input(2)
    groups, channels = one.attributes["num_groups"], given.shape[1]
    shape = (given.shape[0], groups, channels // groups, *given.shape[2:])
    stored, target = (
        replace(each, strides=contiguous(shape)) for each in (writer.in_order(given), writer.new(one.output))
    )
    # Before opset 21, there is a factor for each group, and since then one for each channel.
    steps = [channels // groups, 1] if weight.size == channels else [1, 0]

    def finish(scaled: str, places: list[str], found: list[str]) -> str:
        w, b = (writer.stored(each).element([places[1], found[0]], steps) for each in (weight, bias))
        return f"{scaled} * {w} + {b}"

    epsilon = _number(one.attributes.get("epsilon", 1e-5), one.output)
    normalised(writer, stored, target, shape[:2], shape[2:], epsilon, one.output, finish)


def _batch_norm(writer: Writer, one: Operation) -> None:
    if one.attributes.get("training_mode"):
        raise ExportError("there is no C code for BatchNormalization in training mode; call module.eval() first")
    given = one.input(0)
    weight, bias, mean, variance = (one.input(place) for place in range(1, 5))
    stored, target = writer.stored(given), writer.new(one.output)
    epsilon = _number(one.attributes.get("epsilon", 1e-5), one.output)
    sqrt = of_type("sqrt", one.output.dtype)
    with writer.loops(given.shape) as places:
        w, b, m, v = (writer.stored(each).element([places[1]]) for each in (weight, bias, mean, variance))
        scaled = f"({stored.element(places)} - {m}) / {sqrt}({v} + {epsilon})"
        writer.line(f"{target.element(places)} = {scaled} * {w} + {b};")


REDUCTIONS: Mapping[str, Written] = {
    **dict.fromkeys([*_REDUCTIONS, "ReduceMax", "ReduceMin", "ReduceLogSumExp"], _reduced),
    "ArgMax": _place_of_extreme,
    "ArgMin": _place_of_extreme,
    "BatchNormalization": _batch_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _softmax,
    "Softmax": _softmax,
}
