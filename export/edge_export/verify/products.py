"""Sums of products, such as matrix products and convolutions: how far implementations of them are off.

Roundings on the way are relative to the terms and to the partial sums, not to the result (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, chapters 3 and 4).
"""

import math
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten

# Operations that are sums of products of two operands, some with a bias behind them or before them.
_WITH_BIAS = {getattr(_aten, name) for name in ("conv1d", "conv2d", "conv3d", "convolution", "linear")}
_TRANSPOSED = {_aten.conv_transpose1d, _aten.conv_transpose2d, _aten.conv_transpose3d}
_WITH_BIAS |= _TRANSPOSED
_ADDING = {_aten.addmm, _aten.baddbmm, _aten.addmv}
MULTIPLYING = _WITH_BIAS | _ADDING | {_aten.bmm, _aten.dot, _aten.matmul, _aten.mm, _aten.mv}
# By how many units in their last place the terms of such a sum are off, and its partial sums by how many times the root
# of their number: added up one after another, each is rounded.
_TERM, _PER_ROOT = 1.6, 0.1
# The same of a convolution that is computed from tiles, by Winograd's algorithm F(4x4, 3x3), which
# libraries choose for kernels of three: standard deviations of up to 19 were measured, of 40 in the corner of a tile.
_BY_TILES = 32.0


def off_of_products(operation: torch._ops.OpOverload, args: tuple[Any, ...], result: Tensor, by_tiles: bool) -> Tensor:
    """How far at most each element of a sum of products is off, in units in the last place of 1.0.

    Args:
        operation: one of those in `MULTIPLYING`.
        args: its operands, in float64.
        result: what it gives.
        by_tiles: whether convolutions may be computed from tiles, which is faster and coarser.
    """
    packet, size = operation.overloadpacket, _size_of_products(operation, args)
    second = args[2] if packet in _ADDING else args[1]
    if packet in _WITH_BIAS:
        terms = second.numel() / max(1, second.shape[1 if packet in _TRANSPOSED else 0])
        if by_tiles and second.ndim > 2 and 3 in second.shape[2:]:
            return size.mul_(_BY_TILES * math.sqrt(3))
    else:
        terms = second.shape[-2] if second.ndim > 1 else second.shape[0]
    # Partial sums grow to the result, and beyond it where that cancels.
    partial = torch.hypot(size, result.abs().nan_to_num_(0.0, 0.0, 0.0)).mul_(_PER_ROOT * math.sqrt(terms))
    return torch.hypot(size.mul_(_TERM), partial).mul_(math.sqrt(3))


def _size_of_products(operation: torch._ops.OpOverload, args: tuple[Any, ...]) -> Tensor:
    """The root of the sum of the squares of the terms that each element is the sum of; only roughly, by float32."""
    packet = operation.overloadpacket
    first, second = args[1:3] if packet in _ADDING else args[:2]
    # A large row beside a small one would make the squares of the latter vanish.
    axes = (-1,) if packet not in _WITH_BIAS or packet is _aten.linear else tuple(range(1, first.ndim))
    sizes = (_largest(first, axes if first.ndim == second.ndim or len(axes) == 1 else ()), _largest(second, ()))
    # The second is of weights, which are large: no copy of them more than is needed.
    squares = [(first / sizes[0]).float().square_(), second.float().div_(sizes[1].float()).square_()]
    bias: Tensor | None = None
    if packet in _ADDING:
        bias = args[0]
        found = torch.matmul(*squares)
    elif packet in _WITH_BIAS:
        bias = args[2] if len(args) > 2 else None
        found = operation(*squares, None, *args[3:])
        if bias is not None and packet is not _aten.linear:
            bias = bias.reshape(-1, *[1] * (second.ndim - 2))
    else:
        found = operation(*squares)
    if sizes[0].ndim == found.ndim + 1:
        sizes = (sizes[0].squeeze(-1), sizes[1])
    found = found.double().clamp_min_(0).sqrt_().mul_(sizes[0] * sizes[1])
    return found if bias is None else torch.hypot(found, bias.abs().expand_as(found))


def _largest(operand: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The largest finite magnitude in `operand` along `axes`, or in all of it; 1 where that is 0."""
    if not operand.numel():
        return torch.ones(())
    largest = torch.linalg.vector_norm(operand, math.inf, axes or None, keepdim=bool(axes))
    if not largest.isfinite().all():
        sizes = operand.abs().nan_to_num_(0.0, 0.0, 0.0)
        largest = sizes.amax(axes, keepdim=True) if axes else sizes.max()
    return torch.where(largest > 0, largest, 1.0)
