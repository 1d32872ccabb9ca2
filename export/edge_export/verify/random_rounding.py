"""A captured program in float64 with the roundings of float32 drawn at random: what float32 can resolve.

Many draws show how far float32 can know the reference, element by element: if all draws agree on an element, so does
any sound float32 implementation, in whatever order it sums.

The method is Monte Carlo arithmetic (D. S. Parker, Monte Carlo Arithmetic: exploiting randomness in floating-point
arithmetic, UCLA CSD-970002, 1997) in its form for inexact results only: a result that float32 can hold is kept, any
other is rounded up or down at random, so that nothing is lost on average. Within an operation that combines several
elements, such as a matrix product, the roundings on the way are those of slightly different operands (Higham, Accuracy
and Stability of Numerical Algorithms, 2002, chapter 3): there the operands are off by one unit in their last place too.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from edge_export.tensors import Tensors
from edge_export.verify.float64 import Arithmetic, Operation

_aten = torch.ops.aten

LAST_PLACE = 2.0**-23
HALF_UNIT = 2.0**-24
_TINY = 1e-290
_LOW_BITS = (1 << 29) - 1  # what float64's significand has beyond float32's

# Functions that implementations compute from rational approximations, exact to half a unit in the last place of the
# function's own size and not of a value near zero.
_BOUNDED_NAMES = """
    celu elu erf erfc expm1 gru log1p log_sigmoid logaddexp lstm rnn_relu rnn_tanh selu sigmoid softmax softplus tanh
"""
_BOUNDED = {getattr(_aten, name) for name in _BOUNDED_NAMES.split()}

# Operations of which sound implementations are coarser than the roundings that are drawn show: recurrent layers round
# at every step, interpolation in its coordinates, and a power goes through a logarithm.
_COARSE_NAMES = {
    4.0: "gru lstm rnn_relu rnn_tanh",
    8.0: "pow",
    64.0: "grid_sampler upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_trilinear3d",
}
_COARSE = {getattr(_aten, name): units for units, names in _COARSE_NAMES.items() for name in names.split()}
# The same times their operand.
_GATED = {_aten.gelu, _aten.silu, _aten.mish}

# Operations that combine nothing: each element that they give is one that they took, or follows from it exactly.
_MOVING_NAMES = """
    _to_copy _unsafe_view adaptive_max_pool2d amax amin bucketize cat clone constant_pad_nd contiguous copy embedding
    flip gather im2col index index_fill index_put index_select lift_fresh_copy masked_scatter masked_select max_pool1d
    max_pool2d max_pool3d one_hot pad pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d reflection_pad3d
    repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape roll scatter searchsorted
    select_scatter slice_scatter stack take_along_dim tile tril triu unfold upsample_nearest1d upsample_nearest2d
    upsample_nearest3d
"""
_MOVING = {getattr(_aten, name) for name in _MOVING_NAMES.split()}

# The same, and the places of what they chose, which are open where elements are equal.
_CHOOSING = {
    getattr(_aten, name) for name in ("cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "sort", "topk")
}
_SUMMING_NAMES = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d
    mean std sum var var_mean
"""
_SUMMING = {getattr(_aten, name) for name in _SUMMING_NAMES.split()}


class RandomRounding(Arithmetic):
    """Runs a program in float64, with every inexact result rounded to float32's precision at random.

    Its exponents are float64's, so that nothing overflows.
    """

    def __init__(self, exact: Arithmetic, seed: int, units: float = 1.0) -> None:
        """Round what `exact` computes, by `units` times what float32 would, drawn from `seed`."""
        self.__dict__.update(exact.__dict__)  # the weights, which are large, are shared
        self._generator = torch.Generator()
        self._seed = seed
        self._units = units

    def run(self, tensors: Tensors) -> dict[str, Tensor]:
        """As `Arithmetic.run`; the same each time for the same `tensors`."""
        self._generator.manual_seed(self._seed)
        return super().run(tensors)

    def compute(self, operation: Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The result of one operation, rounded."""
        exact = super().compute(operation, args, kwargs)
        if not isinstance(operation, torch._ops.OpOverload) or operation.is_view:
            return exact
        packet = operation.overloadpacket
        if packet in _MOVING:
            return exact
        again = exact
        chooses = packet in _CHOOSING
        combines = not chooses and (packet in _COARSE or not _is_pointwise(packet))
        if combines or chooses:
            units = _COARSE.get(packet, 1.0)
            if packet in _SUMMING:
                # Added up one after another, each partial sum is rounded: a random walk of as many steps.
                units = max(1.0, math.sqrt(args[0].numel() / max(1, pytree.tree_leaves(exact)[0].numel())) / 2)
            jittered = functools.partial(self._jittered, units=self._units * units)
            again = super().compute(operation, *pytree.tree_map_only(Tensor, jittered, (args, dict(kwargs))))
        if packet is _aten.cumsum and again.is_floating_point():
            # One after another, each partial sum is rounded and carries the roundings of those before it.
            again = again + (self._units * LAST_PLACE * again.abs() * self._noise(again)).cumsum(args[1])
        size = _size(packet, args)

        def rounded(exact: Any, again: Any) -> Any:
            if not isinstance(exact, Tensor) or not exact.is_floating_point():
                return again
            # A sum that cancels may look exact, although the sum in float32 is not.
            return torch.where(exact.isfinite() & (combines | _inexact(exact)), self._rounded(again, size), exact)

        return pytree.tree_map(rounded, exact, again)

    def _jittered(self, operand: Tensor, units: float) -> Tensor:
        if not operand.is_floating_point():
            return operand
        sign = torch.randint(0, 2, operand.shape, generator=self._generator).double() * 2 - 1
        # What is exactly equal, such as zeros, is in no order: nothing decides which of them is the largest.
        return operand * (1 + units * LAST_PLACE * sign) + _TINY * self._noise(operand)

    def _noise(self, like: Tensor) -> Tensor:
        """Numbers from -1 to 1."""
        return torch.rand(like.shape, generator=self._generator, dtype=torch.float64) * 2 - 1

    def _rounded(self, value: Tensor, size: float | Tensor) -> Tensor:
        """`value`, off by what an implementation may be off for numbers of `size`, and rounded up or down."""
        width = (self._units - 1) * LAST_PLACE * value.abs() + self._units * HALF_UNIT * size
        moved = (value + width * self._noise(value)).contiguous()
        bits = torch.randint(0, _LOW_BITS + 1, value.shape, generator=self._generator)
        return ((moved.view(torch.int64) + bits) & ~_LOW_BITS).view(torch.float64)


def _size(packet: torch._ops.OpOverloadPacket, args: tuple[Any, ...]) -> float | Tensor:
    """How large the numbers are whose half unit in the last place an operation may be off by."""
    if packet in _BOUNDED:
        return _COARSE.get(packet, 1.0)
    if packet in _GATED:
        return args[0].abs()  # type: ignore[no-any-return]
    if packet in _COARSE and args[0].ndim > 2:
        # Weights of interpolation that are nearly zero are off by as much as large ones.
        return _COARSE[packet] * args[0].abs().amax(tuple(range(1, args[0].ndim)), keepdim=True)  # type: ignore[no-any-return]
    return 0.0


@functools.cache
def _is_pointwise(packet: torch._ops.OpOverloadPacket) -> bool:
    """Whether each element that an operation gives comes from one of each operand; not all its overloads say so."""
    return any(torch.Tag.pointwise in getattr(packet, name).tags for name in packet.overloads())  # type: ignore[no-untyped-call]


def _inexact(tensor: Tensor) -> Tensor:
    """Where float32's significand is too short for an element of a float64 tensor."""
    return (tensor.contiguous().view(torch.int64) & _LOW_BITS) != 0
