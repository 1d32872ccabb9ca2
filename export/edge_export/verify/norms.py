"""Norms, and what is divided by them, as means, variances and products.

A mean is rounded once for all elements that it is taken from, which roundings of a norm's result one by one do not
show.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten

# Computes one operation from its operands.
Compute = Callable[..., Any]


def _standardised(compute: Compute, values: Tensor, axes: list[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """`values` less their mean over `axes`, over their standard deviation; that mean; the inverse of the latter."""
    variance, mean = compute(_aten.var_mean.dim, values, axes, False, True)
    scale = compute(_aten.rsqrt.default, compute(_aten.add.Scalar, variance, eps))
    return compute(_aten.mul.Tensor, compute(_aten.sub.Tensor, values, mean), scale), mean, scale


def _scaled(compute: Compute, values: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        values = compute(_aten.mul.Tensor, values, weight)
    return values if bias is None else compute(_aten.add.Tensor, values, bias)


def _last_axes(values: Tensor, shape: Sequence[int]) -> list[int]:
    return list(range(values.ndim - len(shape), values.ndim))


def _native_layer_norm(
    compute: Compute,
    values: Tensor,
    shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    found, mean, scale = _standardised(compute, values, _last_axes(values, shape), eps)
    return _scaled(compute, found, weight, bias), mean, scale


def _layer_norm(
    compute: Compute,
    values: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    return _native_layer_norm(compute, values, shape, weight, bias, eps)[0]


def _rms_norm(
    compute: Compute, values: Tensor, shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    squares = compute(_aten.mean.dim, compute(_aten.mul.Tensor, values, values), _last_axes(values, shape), True)
    eps = torch.finfo(torch.float32).eps if eps is None else eps
    scale = compute(_aten.rsqrt.default, compute(_aten.add.Scalar, squares, eps))
    return _scaled(compute, compute(_aten.mul.Tensor, values, scale), weight, None)


def _group_norm(
    compute: Compute,
    values: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    grouped = values.reshape(values.shape[0], groups, -1)
    found = _standardised(compute, grouped, [2], eps)[0].reshape(values.shape)
    channels = (-1, *[1] * (values.ndim - 2))
    return _scaled(
        compute,
        found,
        None if weight is None else weight.reshape(channels),
        None if bias is None else bias.reshape(channels),
    )


def _native_group_norm(
    compute: Compute,
    values: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    rows: int,
    channels: int,
    size: int,
    groups: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    _, mean, scale = _standardised(compute, values.reshape(rows, groups, -1), [2], eps)
    return _group_norm(compute, values, groups, weight, bias, eps), mean.squeeze(2), scale.squeeze(2)


def _instance_norm(
    compute: Compute,
    values: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_variance: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    if use_input_stats:
        return _group_norm(compute, values, math.prod(values.shape[1:2]), weight, bias, eps)
    known = (running_mean, running_variance, False, momentum, eps, cudnn_enabled)
    found: Tensor = compute(_aten.batch_norm.default, values, weight, bias, *known)
    return found


def _cosine_similarity(compute: Compute, one: Tensor, other: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    # Near 1 it hardly moves with its operands, but with its own sums.
    def summed(first: Tensor, second: Tensor) -> Tensor:
        total: Tensor = compute(_aten.sum.dim_IntList, compute(_aten.mul.Tensor, first, second), [dim])
        return total

    sizes = compute(_aten.mul.Tensor, summed(one, one), summed(other, other)).clamp_min(eps * eps)
    found: Tensor = compute(_aten.div.Tensor, summed(one, other), compute(_aten.sqrt.default, sizes))
    return found


NORMS: Mapping[Any, Callable[..., Any]] = {
    _aten.cosine_similarity: _cosine_similarity,
    _aten.group_norm: _group_norm,
    _aten.instance_norm: _instance_norm,
    _aten.layer_norm: _layer_norm,
    _aten.native_group_norm: _native_group_norm,
    _aten.native_layer_norm: _native_layer_norm,
    _aten.rms_norm: _rms_norm,
}
