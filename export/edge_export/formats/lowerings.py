"""Operations whose translation by torch's own exporter gives other numbers than torch: here in forms that do not.

torch's exporter writes most operations as the formula that defines them. Some of these formulas overflow, cancel or
divide zero by zero where the operation itself does not: the logarithm of a sigmoid is minus infinity for -200, and
log(1 + x) is zero for x = 1e-8.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from onnxscript import onnx_types
from onnxscript import opset18 as op

from edge_export.formats.pooling import cut_window

_aten = torch.ops.aten

_BOOL, _FLOAT = onnx_types.BOOL.dtype, onnx_types.FLOAT.dtype

# A tensor of the graph that is being made; onnxscript's own classes for it do not tell what operators give.
_Value = Any


def _log_sigmoid(x: _Value) -> _Value:
    return op.Neg(op.Softplus(op.Neg(x)))


def _log1p(x: _Value) -> _Value:
    """log(1 + x), times what rounding 1 + x lost of x: as exact as the logarithm itself (Kahan)."""
    one = _typed(1.0, x)
    shifted = op.Add(x, one)
    kept = op.Sub(shifted, one)
    exact = op.Mul(op.Log(shifted), op.Div(x, kept))
    # Where nothing of x is kept it is its own logarithm; where 1 + x is x, such as infinity, nothing was lost.
    return op.Where(op.Equal(kept, _typed(0.0, x)), x, op.Where(op.Equal(shifted, x), op.Log(shifted), exact))


def _expm1(x: _Value) -> _Value:
    """exp(x) - 1, by the hyperbolic tangent of half of it where the difference cancels."""
    one = _typed(1.0, x)
    half = op.Tanh(op.Mul(x, _typed(0.5, x)))
    near_zero = op.Div(op.Add(half, half), op.Sub(one, half))
    return op.Where(op.Less(op.Abs(x), one), near_zero, op.Sub(op.Exp(x), one))


def _logaddexp(one: _Value, other: _Value) -> _Value:
    return _log_of_sum(one, other, 1.0)


def _logaddexp2(one: _Value, other: _Value) -> _Value:
    return _log_of_sum(one, other, math.log(2.0))


def _log_of_sum(one: _Value, other: _Value, log_base: float) -> _Value:
    """The logarithm of the sum of two powers of a base, with that of the larger one taken out."""
    scale = _typed(log_base, one)
    apart = op.Mul(op.Abs(op.Sub(one, other)), scale)
    added = op.Add(op.Max(one, other), op.Div(op.Softplus(op.Neg(apart)), scale))
    # The difference of two infinities is NaN.
    return op.Where(op.Equal(one, other), op.Add(one, _typed(math.log(2.0) / log_base, one)), added)


def _remainder(dividend: _Value, divisor: _Value) -> _Value:
    dividend, divisor, is_integer = _operands(dividend, divisor)
    if is_integer:
        return op.Mod(dividend, divisor)
    rest = op.Mod(dividend, divisor, fmod=1)
    return op.Where(_crosses_zero(rest, divisor), op.Add(rest, divisor), rest)


def _floor_divide(dividend: _Value, divisor: _Value) -> _Value:
    """The quotient rounded down, from a remainder that is exact: the quotient itself may be rounded up to a whole."""
    dividend, divisor, is_integer = _operands(dividend, divisor)
    one, zero = _typed(1.0, dividend), _typed(0.0, dividend)
    if is_integer:
        quotient = op.Div(dividend, divisor)
        rest = op.Sub(dividend, op.Mul(quotient, divisor))
        return op.Sub(quotient, op.Where(_crosses_zero(rest, divisor), one, zero))
    rest = op.Mod(dividend, divisor, fmod=1)
    whole = op.Div(op.Sub(dividend, rest), divisor)
    whole = op.Where(_crosses_zero(rest, divisor), op.Sub(whole, one), whole)
    down = op.Floor(whole)
    down = op.Where(op.Greater(op.Sub(whole, down), _typed(0.5, dividend)), op.Add(down, one), down)
    return op.Where(op.Equal(divisor, zero), op.Div(dividend, divisor), down)


def _divide(dividend: _Value, divisor: _Value, rounding_mode: str | None = None) -> _Value:
    if rounding_mode == "floor":
        return _floor_divide(dividend, divisor)
    dividend, divisor, is_integer = _operands(dividend, divisor)
    if rounding_mode == "trunc":
        quotient = op.Div(dividend, divisor)
        if is_integer:
            return quotient
        return op.Where(op.Less(quotient, _typed(0.0, quotient)), op.Ceil(quotient), op.Floor(quotient))
    if is_integer:
        dividend, divisor = op.Cast(dividend, to=_FLOAT), op.Cast(divisor, to=_FLOAT)
    return op.Div(dividend, divisor)


def _atan2(y: _Value, x: _Value) -> _Value:
    """The angle in the first quadrant, turned by the signs, those of zeros too."""
    height, width = op.Abs(y), op.Abs(x)
    zero = _typed(0.0, y)
    # Zeros and infinities have no quotient: an angle of 0 for two zeros, of 45 degrees for two infinities.
    same = _typed(op.Greater(height, zero), y)
    angle = op.Atan(op.Where(op.Equal(height, width), same, op.Div(height, width)))
    angle = op.Where(_is_negative(x), op.Sub(_typed(math.pi, y), angle), angle)
    return op.Where(_is_negative(y), op.Neg(angle), angle)


def _xlogy(x: _Value, y: _Value) -> _Value:
    zero = _typed(0.0, x)
    product = op.Where(op.Equal(x, zero), zero, op.Mul(x, op.Log(y)))
    return op.Where(op.IsNaN(y), y, product)


def _sign(x: _Value) -> _Value:
    """0 for NaN, as torch has it."""
    if not x.dtype.is_floating_point():
        return x if x.dtype == _BOOL else op.Sign(x)
    return op.Where(op.IsNaN(x), _typed(0.0, x), op.Sign(x))


def _max_pool(axes: int) -> Callable[..., Any]:
    """Pooling over the last `axes` axes in which NaN is the largest of all, and nothing but -infinity gives itself.

    ONNX Runtime begins with the lowest finite number.
    """

    def pool(
        x: _Value,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        ceil_mode: bool = False,
    ) -> _Value:
        def each(sizes: Sequence[int]) -> list[int]:
            return [*sizes] * (axes if len(sizes) == 1 else 1)

        dilations, kernel, pads, strides = map(each, (dilation, kernel_size, padding, stride or kernel_size))
        sizes, more = x.shape[-axes:], [0] * axes
        if ceil_mode and all(isinstance(size, int) for size in sizes):
            both = zip(pads, pads, strict=True)
            ends = [cut_window(*axis) for axis in zip(sizes, both, kernel, strides, dilations, strict=True)]
            if any(drops for drops, _ in ends):
                ceil_mode, more = False, [extra for _, extra in ends]

        def pooled(values: _Value) -> _Value:
            found, _ = op.MaxPool(
                values,
                ceil_mode=int(ceil_mode),
                dilations=dilations,
                kernel_shape=kernel,
                pads=[*pads, *(one + extra for one, extra in zip(pads, more, strict=True))],
                strides=strides,
            )
            return found

        first_axis: _Value = op.Constant(value_ints=[0])
        has_batch, lowest = len(x.shape) == axes + 2, float(np.finfo(x.dtype.numpy()).min)
        if not has_batch:
            x = op.Unsqueeze(x, first_axis)
        has_nan = op.Greater(pooled(_typed(op.IsNaN(x), x)), _typed(0.0, x))
        found = pooled(x)
        found = op.Where(op.Equal(found, _typed(lowest, x)), _typed(-math.inf, x), found)
        found = op.Where(has_nan, _typed(math.nan, x), found)
        return found if has_batch else op.Squeeze(found, first_axis)

    return pool


def _crosses_zero(rest: _Value, divisor: _Value) -> _Value:
    """Where a remainder has another sign than its divisor, so that the quotient was not rounded down."""
    zero = _typed(0, rest)
    differs = op.Xor(op.Less(rest, zero), op.Less(divisor, zero))
    return op.And(differs, op.Not(op.Equal(rest, zero)))


def _is_negative(x: _Value) -> _Value:
    """Where the sign of `x` is minus, that of a zero too."""
    if x.dtype == _BOOL:
        return op.And(x, op.Not(x))
    if x.dtype.is_integer():
        return op.Less(x, _typed(0, x))
    zero = _typed(0.0, x)
    return op.Or(op.Less(x, zero), op.Less(op.Reciprocal(x), zero))


def _typed(number: _Value, tensor: _Value) -> _Value:
    """`number`, or a tensor, in the type of `tensor`."""
    return op.CastLike(number, tensor)


def _operands(one: _Value, other: _Value) -> tuple[_Value, _Value, bool]:
    """Both as tensors, of which one may be a number, and whether they are integers."""
    if isinstance(one, (int, float)):
        return _typed(one, other), other, other.dtype.is_integer()
    if isinstance(other, (int, float)):
        other = _typed(other, one)
    return one, other, one.dtype.is_integer()


LOWERINGS: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    _aten.atan2.default: _atan2,
    _aten.div.Scalar_mode: _divide,
    _aten.div.Tensor_mode: _divide,
    _aten.expm1.default: _expm1,
    _aten.floor_divide.default: _floor_divide,
    _aten.floor_divide.Scalar: _floor_divide,
    _aten.log1p.default: _log1p,
    _aten.log_sigmoid.default: _log_sigmoid,
    _aten.logaddexp.default: _logaddexp,
    _aten.logaddexp2.default: _logaddexp2,
    _aten.remainder.Tensor: _remainder,
    _aten.remainder.Scalar: _remainder,
    _aten.remainder.Scalar_Tensor: _remainder,
    _aten.sign.default: _sign,
    _aten.signbit.default: _is_negative,
    _aten.xlogy.Tensor: _xlogy,
    torch.ops.prims.signbit.default: _is_negative,
}

# ONNX Runtime's pooling passes over NaN, or not, depending on where it stands. To look for NaN costs a small network a
# third of its speed, so that this is for files that must hold for NaN.
CARRYING_NAN: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    _aten.max_pool1d.default: _max_pool(1),
    _aten.max_pool2d.default: _max_pool(2),
    _aten.max_pool3d.default: _max_pool(3),
}
