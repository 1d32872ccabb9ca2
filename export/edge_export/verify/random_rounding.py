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
from edge_export.verify.graph_walk import tensors_mapped
from edge_export.verify.norms import NORMS
from edge_export.verify.products import MULTIPLYING, off_of_products

_aten = torch.ops.aten

LAST_PLACE = 2.0**-23
HALF_UNIT = 2.0**-24
_TINY = 1e-290
# How many bits of float64's significand a type has not.
_LOST_BITS = {torch.float64: 0, torch.float32: 29, torch.float16: 42, torch.bfloat16: 45}

# Functions that implementations compute from rational approximations, exact to half a unit in the last place of the
# function's own size and not of a value near zero.
_BOUNDED_NAMES = """
    celu elu erf erfc expm1 gru log1p log_sigmoid logaddexp lstm rnn_relu rnn_tanh selu sigmoid softmax softplus tanh
"""
_PROBABILITIES = {_aten.sigmoid, _aten.softmax}
_BOUNDED = {getattr(_aten, name) for name in _BOUNDED_NAMES.split()}

# Operations of which sound implementations are coarser than the roundings that are drawn show: recurrent layers round
# at every step, interpolation in its coordinates, and a power goes through a logarithm. A Fourier transform may be a
# sum over all elements, with angles that are rounded too.
_INTERPOLATING_NAMES = """
    grid_sampler upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_trilinear3d
"""
_TRANSFORMING_NAMES = """
    fft_fft fft_fft2 fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_ihfft2
    fft_ihfftn fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn istft stft
"""
_COARSE_NAMES = {
    4.0: "gru gru_cell lstm lstm_cell rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell",
    8.0: "pow",
    64.0: _INTERPOLATING_NAMES + _TRANSFORMING_NAMES,
}
_COARSE = {getattr(_aten, name): units for units, names in _COARSE_NAMES.items() for name in names.split()}
_INTERPOLATING = {getattr(_aten, name) for name in _INTERPOLATING_NAMES.split()}
_TRANSFORMING = {getattr(_aten, name) for name in _TRANSFORMING_NAMES.split()}
# One step, from a state that a gate multiplies: the gates are bounded, the state is not.
_CARRYING = {_aten.gru_cell, _aten.lstm_cell}
# Bounded, times their operand.
_GATED = {_aten.gelu, _aten.silu, _aten.mish}

# Operations that combine nothing: each element that they give is one that they took, or follows from it exactly.
_MOVING_NAMES = """
    _unique2 _unsafe_view abs adaptive_max_pool2d amax amin argwhere bucketize cat clamp clamp_max clamp_min clone
    constant_pad_nd contiguous copy count_nonzero embedding flip fmax fmin gather im2col index index_fill index_put
    index_select lift_fresh_copy masked_scatter masked_select max_pool1d max_pool2d max_pool3d maximum minimum neg
    nonzero nonzero_numpy nonzero_static one_hot pad pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d
    reflection_pad3d relu repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape
    roll scatter searchsorted select_scatter slice_scatter stack take_along_dim tile tril triu unfold
    unique_consecutive unique_dim upsample_nearest1d upsample_nearest2d upsample_nearest3d where
"""
_MOVING = {getattr(_aten, name) for name in _MOVING_NAMES.split()}

# The same, and the places of what they chose, which are open where elements are equal.
_CHOOSING_NAMES = "argmax argmin argsort cummax cummin kthvalue max median min mode sort topk"
_CHOOSING = {getattr(_aten, name) for name in _CHOOSING_NAMES.split()}
_ADDING_NAMES = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d mean sum
"""
_ADDING = {getattr(_aten, name) for name in _ADDING_NAMES.split()}
_SUMMING = {*_ADDING, _aten.std, _aten.var, _aten.var_mean}

# The multipliers of splitmix64 as signed integers, and by how many bits their products are shifted.
_MIXING = ((-0x40A7B892E31B1A47, 32), (-0x6B2FB644ECCEEE15, 29))


class RandomRounding(Arithmetic):
    """Runs a program in float64, with every inexact result rounded at random to the precision of its own type.

    Its exponents are float64's, so that nothing overflows.
    """

    def __init__(self, exact: Arithmetic, seed: int, units: float = 1.0, by_tiles: bool = False) -> None:
        """Round what `exact` computes.

        Args:
            exact: computes it.
            seed: of the draws.
            units: how many times as far as float32 rounds.
            by_tiles: whether convolutions may be computed from tiles, which is faster and coarser.
        """
        self.__dict__.update(exact.__dict__)  # the weights, which are large, are shared
        self._generator = torch.Generator()
        self._choices = torch.Generator()
        self._seed = seed
        self._units = units
        self._by_tiles = by_tiles

    def run(self, tensors: Tensors) -> Tensors:
        """As `Arithmetic.computed`, the same each time for the same `tensors`: each draw is asked for once."""
        self._generator.manual_seed(self._seed)
        self._choices.manual_seed(self._seed // 2)
        return self.computed(tensors)

    def compute(
        self, operation: Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any], dtype: torch.dtype | None
    ) -> Any:
        """The result of one operation, rounded."""
        if not isinstance(operation, torch._ops.OpOverload) or operation.is_view:
            return super().compute(operation, args, kwargs, dtype)
        packet = operation.overloadpacket
        if packet in _MOVING or packet in NORMS:
            return super().compute(operation, args, kwargs, dtype)
        # What gives integers decides among numbers, of float32 usually.
        bits = _LOST_BITS.get(dtype or torch.float32, _LOST_BITS[torch.float32])
        last_place = _last_place(bits)
        if packet in _CHOOSING:
            exact = super().compute(operation, args, kwargs, dtype)
            width = (-1) ** self._seed * self._units * last_place
            reordered = functools.partial(_reordered, random=self._choices, width=width)
            moved, named = tensors_mapped(reordered, (args, kwargs))
            again = super().compute(operation, moved, named, dtype)
            # What is chosen are operands, which were rounded before; only the choice is open.
            return pytree.tree_map(lambda one, other: one if _is_floating(one) else other, exact, again)
        combines = packet in _COARSE or not _is_pointwise(packet)
        size = _size(packet, args)
        if packet in MULTIPLYING:
            # Of a sum of products the roundings are those of its terms, and each sum has its own.
            result = super().compute(operation, args, kwargs, dtype)
            if not result.is_floating_point():
                return result
            return self._rounded(
                result, size, bits, last_place * off_of_products(operation, args, result, self._by_tiles)
            )
        if combines:
            units = _COARSE.get(packet, 1.0)
            if packet in _SUMMING:
                # Added up one after another, each partial sum is rounded: a random walk of as many steps.
                sums = pytree.tree_leaves(super().compute(operation, args, kwargs, dtype))[0]
                units = max(1.0, math.sqrt(args[0].numel() / max(1, sums.numel())) / 2)
            # Equal numbers, such as an image of one colour, are rounded the same way in each step.
            jittered = self._jittered_operands(args, kwargs, dtype, units * last_place, by_value=packet in _ADDING)
            try:
                result = super().compute(operation, *jittered, dtype)
            except RuntimeError:
                # What is at the end of an operation's domain, such as a probability of 1, cannot be moved beyond it.
                result = super().compute(operation, args, kwargs, dtype)
        else:
            result = super().compute(operation, args, kwargs, dtype)
        if packet is _aten.cumsum and result.is_floating_point():
            # One after another, each partial sum is rounded and carries the roundings of those before it.
            result = result + (
                self._units * last_place * result.abs() * _noise(args[0], self._generator, by_value=True)
            ).cumsum(args[1])
        # A sum that cancels may look exact, although the sum in float32 is not.
        rounded = functools.partial(self._rounded, size=size, bits=bits, keep_exact=not combines)
        found = tensors_mapped(rounded, result)
        return found.clamp(0, 1) if packet in _PROBABILITIES else found

    def _jittered_operands(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        dtype: torch.dtype | None,
        width: float,
        by_value: bool,
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Operands that are off by `width` of their own size."""
        # Uniform, with a standard deviation of `width`.
        width *= self._units * math.sqrt(3)

        def jittered(operand: Tensor) -> Tensor:
            if operand.is_complex():
                return torch.view_as_complex(jittered(torch.view_as_real(operand)))
            if not operand.is_floating_point():
                return operand
            moved = _noise(operand, self._generator, by_value).mul_(width).add_(1).mul_(operand)
            # What is exactly equal, such as zeros, is in no order: nothing decides which of them is the largest.
            return (
                moved
                if dtype is not None and dtype.is_floating_point
                else moved.add_(_noise(operand, self._generator), alpha=_TINY)
            )

        moved: tuple[tuple[Any, ...], dict[str, Any]] = tensors_mapped(jittered, (args, kwargs))
        return moved

    def _rounded(
        self, value: Tensor, size: float | Tensor, bits: int, off: float | Tensor = 0.0, keep_exact: bool = False
    ) -> Tensor:
        """`value`, off by what an implementation may be off, and rounded up or down.

        Args:
            value: what float64 gives.
            size: how large the numbers are whose half unit in the last place it may be off by.
            bits: how many of float64's its own type has not.
            off: how far off it may be besides.
            keep_exact: whether to keep what its own type can hold.
        """
        if value.is_complex():
            return torch.view_as_complex(self._rounded(torch.view_as_real(value), size, bits, off, keep_exact))
        if not value.is_floating_point():
            return value
        value = value.contiguous()
        random = _random_by_value(value, self._generator)
        low = (1 << bits) - 1
        moved = value
        # float64 itself cannot hold both neighbours, so that its roundings are drawn as noise.
        if self._units > 1 or bits == 0 or any(isinstance(one, Tensor) or one for one in (size, off)):
            last_place = _last_place(bits)
            width = (self._units - (bits > 0)) * last_place * value.abs()
            width += self._units * (last_place / 2 * size + off)
            # Of 63 random bits, those that the rounding leaves over.
            moved = (random >> bits).double().mul_(2.0 ** (bits - 62)).sub_(1).mul_(width).add_(value)
        found = (random.bitwise_and_(low).add_(moved.view(torch.int64)).bitwise_and_(~low)).view(torch.float64)
        if moved is value:
            return found
        kept = ~value.isfinite()
        if keep_exact and bits:
            kept |= (value.view(torch.int64) & low) == 0
        return torch.where(kept, value, found)


def _noise(values: Tensor, generator: torch.Generator, by_value: bool = False) -> Tensor:
    """Numbers with the variance of those that are uniform from -1 to 1, in the shape of `values`.

    With `by_value` numbers of equal magnitude have most of it in common: it adds up, and cancels, as the numbers do.
    """
    noise = torch.empty(values.shape, dtype=torch.float64).uniform_(-1, 1, generator=generator)
    if by_value:
        common = _random_by_value(values.double().abs(), generator).double().mul_(2.0**-62).sub_(1)
        noise.mul_(0.6).add_(common, alpha=0.8)
    return noise


def _random_by_value(values: Tensor, generator: torch.Generator) -> Tensor:
    """63 random bits for each element of a float64 tensor, the same for equal ones.

    An implementation rounds equal numbers alike, so that their mean may be as far off as each of them, as in an image
    of one colour. The last bits do not count, since sums in another order differ in them.
    """
    key = int(torch.empty((), dtype=torch.int64).random_(generator=generator))
    bits = values.contiguous().view(torch.int64).add(1 << 15).bitwise_right_shift_(16).bitwise_xor_(key)
    # Mixed as by splitmix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014).
    for factor, shift in _MIXING:
        bits.mul_(factor)
        bits.bitwise_xor_(bits >> shift)
    return bits.bitwise_and_((1 << 63) - 1)


def _reordered(operand: Tensor, random: torch.Generator, width: float) -> Tensor:
    """Moved by `width`, so that elements that are equal come in some order, and in the opposite one for -`width`."""
    if not operand.is_floating_point():
        return operand
    shift = torch.rand(operand.shape, generator=random, dtype=torch.float64) * 2 - 1
    return operand * (1 + width * math.sqrt(3) * shift) + math.copysign(_TINY, width) * shift


def _is_floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _last_place(bits: int) -> float:
    """A unit in the last place of 1.0 in a type that has so many bits less than float64."""
    return float(2.0 ** (bits - 52))


def _size(packet: torch._ops.OpOverloadPacket, args: tuple[Any, ...]) -> float | Tensor:
    """How large the numbers are whose half unit in the last place an operation may be off by."""
    if packet in _BOUNDED:
        return _COARSE.get(packet, 1.0)
    if packet in _CARRYING:
        state = args[1] if isinstance(args[1], Tensor) else args[1][1]
        return _COARSE[packet] * (1 + state.abs())
    operand = args[0] if args else None
    if not isinstance(operand, Tensor):
        return 0.0
    if packet in _GATED:
        return operand.abs()
    if packet in _INTERPOLATING and operand.ndim > 2:
        # Weights of interpolation that are nearly zero are off by as much as large ones.
        return _COARSE[packet] * operand.abs().amax(tuple(range(1, operand.ndim)), keepdim=True)
    if packet in _TRANSFORMING:
        return _COARSE[packet] * operand.abs().amax()
    return 0.0


@functools.cache
def _is_pointwise(packet: torch._ops.OpOverloadPacket) -> bool:
    """Whether each element that an operation gives comes from one of each operand; not all its overloads say so."""
    return any(torch.Tag.pointwise in getattr(packet, name).tags for name in packet.overloads())  # type: ignore[no-untyped-call]
