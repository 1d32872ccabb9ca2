"""Operators that multiply matrices."""

import functools
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge_export.c_code.literals import literal
from edge_export.c_code.movement import Written
from edge_export.c_code.static_graph import Operation, Value
from edge_export.c_code.writer import Stored, Writer, broadcast
from edge_export.tensors import Array


def _scaled(factor: float, text: str, value: Value) -> str:
    return text if factor == 1 else f"{literal(value.dtype.type(factor), value.dtype)} * {text}"


# Sums of no more terms than this are written in one line.
_FEW_TERMS = 8
# How many sums are formed at the same time: 16 KiB.
_MOST_AT_ONCE = 4096


def _add(writer: Writer, total: str, factors: Sequence[str], dtype: np.dtype[Any]) -> None:
    """The line that adds a product to a total: integers wrap around in ONNX, and may not overflow in C."""
    if dtype.kind == "f":
        writer.line(f"{total} += {' * '.join(factors)};")
        return
    added = functools.reduce(lambda some, other: f"multiply_{dtype.name}({some}, {other})", factors)
    writer.line(f"{total} = add_{dtype.name}({total}, {added});")


def product(
    writer: Writer,
    given: Stored,
    weights: Stored,
    target: Stored,
    sizes: tuple[int, int, int],
    start: str,
    dtype: np.dtype[Any],
    scale: Stored | None = None,
) -> None:
    """target[i, j] = start + the sum over k of given[i, k] * weights[k, j], times a scale for j if there is one.

    The sum is formed for all j at once, in the order of k, so that a compiler computes several at a time without
    changing a bit.

    Args:
        writer: takes the code.
        given: with strides for the axes i and k.
        weights: with strides for the axes k and j.
        target: with strides for the axes i and j.
        sizes: of i, k and j.
        start: what is added, an expression of i and j.
        dtype: of the elements.
        scale: of weights in 8 bits, with strides for the axes k and j, of which that for k is 0.
    """
    rows, inner, columns = sizes
    if inner <= _FEW_TERMS and scale is None and dtype.kind == "f":
        with writer.loops([rows, columns]) as (i, j):
            terms = [f"{given.element([i, str(k)])} * {weights.element([str(k), j])}" for k in range(inner)]
            before = start.format(i=i, j=j)
            writer.line(
                f"{target.element([i, j])} = {' + '.join([*([] if before == '0' else [before]), *terms]) or '0'};"
            )
        return
    with writer.loops([rows, columns]) as (i, j):
        writer.line(f"{target.element([i, j])} = {'0' if scale else start.format(i=i, j=j)};")
    # Sums of all rows side by side, so that none waits for another; of many rows one by one, for the cache.
    is_small = rows * columns <= _MOST_AT_ONCE
    with writer.loops([inner, rows, columns] if is_small else [rows, inner, columns]) as (one, other, j):
        k, i = (one, other) if is_small else (other, one)
        weight = f"{'(float)' if scale else ''}{weights.element([k, j])}"
        _add(writer, target.element([i, j]), [given.element([i, k]), weight], dtype)
    if scale is not None:
        with writer.loops([rows, columns]) as (i, j):
            total = f"{target.element([i, j])} * {scale.element(['0', j])}"
            added = start.format(i=i, j=j)
            writer.line(f"{target.element([i, j])} = {total}{'' if added == '0' else f' + {added}'};")


def _gemm(writer: Writer, one: Operation) -> None:
    a, b, c = one.input(0), one.input(1), one.optional(2)
    alpha, beta = one.attributes.get("alpha", 1.0), one.attributes.get("beta", 1.0)
    given, target = writer.stored(a), writer.new(one.output)
    inner = a.shape[1]
    if one.attributes.get("transA"):
        given, inner = replace(given, strides=given.strides[::-1]), a.shape[0]
    weights, scale = _weights(writer, b, bool(one.attributes.get("transB")), alpha)
    rows, columns = one.output.shape
    start = "0"
    if c is not None:
        stored = writer.stored(c)
        steps = broadcast(stored.strides, c.shape, one.output.shape)
        start = _scaled(beta, stored.element(["{i}", "{j}"], steps), one.output)
    if alpha != 1 and b.constant is None:
        product(writer, given, weights, target, (rows, inner, columns), "0", one.output.dtype)
        with writer.loops([rows, columns]) as places:
            element = target.element(places)
            added = "" if c is None else f" + {start.format(i=places[0], j=places[1])}"
            writer.line(f"{element} = {_scaled(alpha, element, one.output)}{added};")
        return
    product(writer, given, weights, target, (rows, inner, columns), start, one.output.dtype, scale)


def _weights(writer: Writer, b: Value, transposed: bool = False, alpha: float = 1.0) -> tuple[Stored, Stored | None]:
    """The right matrix and its scales, with strides for the axis of the sum and that of the result.

    Constant weights lie in that order. Several matrices have axes before these, and scales for the columns of each.
    """
    if b.constant is not None:
        factor = b.dtype.type(alpha)

        def ordered(matrix: Array) -> Array:
            return (matrix.T if transposed else matrix) * factor if transposed or alpha != 1 else matrix

        rank = len(b.shape)
        return writer.weights(b, f"{transposed} {alpha}", ordered, [axis for axis in range(rank) if axis != rank - 2])
    stored = writer.stored(b)
    return (replace(stored, strides=stored.strides[::-1]) if transposed else stored), None


def _matmul(writer: Writer, one: Operation) -> None:
    a, b = one.input(0), one.input(1)
    left, scale = writer.stored(a), None
    if b.constant is not None and len(b.shape) > 1:
        right, scale = _weights(writer, b)
    else:
        right = writer.stored(b) if b.constant is None else writer.constant(b)
    shape, target = list(one.output.shape), writer.new(one.output)
    steps = list(target.strides)
    a_shape, a_steps = list(a.shape), list(left.strides)
    b_shape, b_steps = list(b.shape), list(right.strides)
    if len(a_shape) == 1:  # a row
        a_shape, a_steps = [1, *a_shape], [0, *a_steps]
        place = len(shape) - (len(b_shape) > 1)
        shape, steps = [*shape[:place], 1, *shape[place:]], [*steps[:place], 0, *steps[place:]]
    if len(b_shape) == 1:  # a column
        b_shape, b_steps = [*b_shape, 1], [*b_steps, 0]
        shape, steps = [*shape, 1], [*steps, 0]
    batch = shape[:-2]
    lefts = broadcast(a_steps[:-2], a_shape[:-2], batch)
    rights = broadcast(b_steps[:-2], b_shape[:-2], batch)
    scales = () if scale is None else broadcast(scale.strides[:-2], b_shape[:-2], batch)
    with writer.loops(batch) as places:
        product(
            writer,
            replace(left, strides=tuple(a_steps[-2:])).at(places, lefts),
            replace(right, strides=tuple(b_steps[-2:])).at(places, rights),
            replace(target, strides=tuple(steps[-2:])).at(places, steps[:-2]),
            (shape[-2], a_shape[-1], shape[-1]),
            "0",
            one.output.dtype,
            None if scale is None else replace(scale, strides=scale.strides[-2:]).at(places, scales),
        )


def _letters(one: Operation) -> tuple[list[str], str]:
    """The letters of an einsum's inputs and of its result; axes that are an ellipsis have letters as well."""
    given, arrow, result = one.attributes["equation"].replace(" ", "").partition("->")
    letters = given.split(",")
    ranks = [
        len(value.shape) - len(part.replace("...", ""))
        for part, value in zip(letters, one.inputs, strict=True)
        if value is not None
    ]
    unused = [letter for letter in string.ascii_letters if letter not in given]
    most = max((rank for rank, part in zip(ranks, letters, strict=True) if "..." in part), default=0)
    shared = "".join(unused[:most])
    if not arrow:
        everything = given.replace(",", "").replace(".", "")
        result = "".join(sorted(letter for letter in set(everything) if everything.count(letter) == 1))
        result = f"...{result}" if "..." in given else result
    parts = [part.replace("...", shared[most - rank :]) for part, rank in zip(letters, ranks, strict=True)]
    return parts, result.replace("...", shared)


def _einsum(writer: Writer, one: Operation) -> None:
    letters, result = _letters(one)
    pairs = [
        pair
        for part, value in zip(letters, one.inputs, strict=True)
        if value is not None
        for pair in zip(part, value.shape, strict=True)
    ]
    # Axes of an ellipsis may have the size 1 in one input, and another in the next one.
    size_of = {letter: max(size for other, size in pairs if other == letter) for letter, _ in pairs}
    summed = [letter for letter in dict.fromkeys("".join(letters)) if letter not in result]
    target = writer.new(one.output)
    with writer.loops([size_of[letter] for letter in result]) as places:
        index_of = dict(zip(result, places, strict=True))
        element = target.element(places)
        writer.line(f"{element} = 0;")
        with writer.loops([size_of[letter] for letter in summed]) as inner:
            index_of |= dict(zip(summed, inner, strict=True))
            factors = [
                writer.stored(value).element(
                    ["0" if size == 1 else index_of[letter] for letter, size in zip(part, value.shape, strict=True)]
                )
                for part, value in zip(letters, one.inputs, strict=True)
                if value is not None
            ]
            _add(writer, element, factors, one.output.dtype)


LINEAR: Mapping[str, Written] = {"Einsum": _einsum, "Gemm": _gemm, "MatMul": _matmul}
