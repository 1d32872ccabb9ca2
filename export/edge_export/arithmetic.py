"""A captured program in other arithmetic: in float64, and in float64 with the roundings of float32 drawn at random.

The first gives the truth that everything is measured against. Many draws of the second show how far float32 can know
that truth, element by element: where all draws agree, any sound float32 implementation does, in whatever order it sums.

The method is Monte Carlo arithmetic (D. S. Parker, Monte Carlo Arithmetic: exploiting randomness in floating-point
arithmetic, UCLA CSD-970002, 1997) in its form for inexact results only: a result that float32 can hold is left alone,
any other is rounded up or down at random, so that on average nothing is lost. Within an operation that combines several
elements, such as a matrix product, the roundings on the way are those of slightly other operands (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, chapter 3): there the operands are off by one unit in their last place as well.
"""

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument
from torch.utils import _pytree as pytree

from edge_export.causes import cause
from edge_export.errors import ExportError
from edge_export.program import Program, Tensors
from edge_export.quiet import quiet
from edge_export.recurrent import any_length

LAST_PLACE = 2.0**-23
HALF_UNIT = 2.0**-24
_TINY = 1e-290
_LOW_BITS = (1 << 29) - 1  # what float64's significand has beyond float32's

_aten = torch.ops.aten
_control = torch.ops.higher_order

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
_NORMS = {_aten.group_norm, _aten.instance_norm, _aten.layer_norm}

_Operation = Callable[..., Any]


class Arithmetic:
    """Runs a program in float64."""

    def __init__(self, program: Program) -> None:
        """Widen the parameters, buffers and constants of `program`."""
        self._program = program
        self._exported = _with_norms_in_steps(program.exported)
        self._state = {
            name: _widened(tensor)
            for name, tensor in {**self._exported.state_dict, **self._exported.constants}.items()
            if isinstance(tensor, Tensor)
        }

    def run(self, tensors: Tensors) -> dict[str, Tensor]:
        """What the program gives in float64 for `tensors`, by output.

        Raises:
            ExportError: an operation in it has no float64.
        """
        given = iter([_widened(torch.from_numpy(np.array(tensors[spec.name]))) for spec in self._program.inputs])
        placeholders = []
        for spec in self._exported.graph_signature.input_specs:
            if not isinstance(spec.arg, TensorArgument):
                placeholders.append(getattr(spec.arg, "value", None))
            elif spec.kind == InputKind.USER_INPUT:
                placeholders.append(next(given))
            else:
                assert spec.target is not None
                placeholders.append(self._state[spec.target])
        try:
            with torch.no_grad(), _float64_by_default():
                results = self._run_graph(self._exported.graph_module, placeholders)
        except Exception as error:
            raise ExportError(f"the module cannot be proven, since it cannot run in float64: {cause(error)}") from error
        found = [leaf for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
        return dict(zip(self._program.outputs, found, strict=True))

    def _run_graph(self, module: fx.GraphModule, arguments: Sequence[Any]) -> Any:
        return _Interpreter(module, self.compute).run(*arguments)

    def compute(self, operation: _Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The result of one operation; `args` hold float64 where the program has float32."""
        if operation in (_aten._assert_tensor_metadata.default, _aten._assert_scalar.default):
            return None  # about float32
        match operation:
            case _aten.view.default:
                # In float64 an operation before it may lay its result out otherwise, where view refuses.
                return _aten.reshape.default(*args)
            case _aten.view.dtype:
                raise NotImplementedError("it reads the bits of its numbers, which float64 has others of")
            case _control.cond:
                condition, yes, no, operands = args
                return self._run_graph(yes if condition else no, operands)
            case _control.while_loop:
                proceed, body, carried, constants = args
                while self._run_graph(proceed, [*carried, *constants]):
                    carried = self._run_graph(body, [*carried, *constants])
                return carried
            case _control.wrap_with_set_grad_enabled:
                return self._run_graph(args[1], args[2:])
        if isinstance(operation, torch._ops.HigherOrderOperator):
            raise NotImplementedError(f"{operation} is not supported yet")
        return operation(*args, **kwargs)


def _with_norms_in_steps(exported: ExportedProgram) -> ExportedProgram:
    """`exported` with group, instance and layer norms as means, variances and products.

    A mean is rounded once for all elements that it is taken from, which roundings of the result one by one do not show.
    """
    named = [node.target for node in exported.graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
    if not any(operation.overloadpacket in _NORMS for operation in named):
        return exported
    known: Mapping[Any, Any] = torch.export.default_decompositions()
    table: dict[Any, Any] = {
        operation: known[operation]
        for operation in known
        if isinstance(operation, torch._ops.OpOverload) and operation.overloadpacket in _NORMS
    }
    table |= torch._decomp.get_decompositions([_aten.native_group_norm, _aten.native_layer_norm])
    with quiet(), any_length():
        in_steps: ExportedProgram = exported.run_decompositions(table)
        return in_steps


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

    def compute(self, operation: _Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
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


class _Interpreter(fx.Interpreter):
    """Walks a graph whose operations `compute` does, in float64 where the graph says float32."""

    def __init__(self, module: fx.GraphModule, compute: _Operation) -> None:
        super().__init__(module)
        self._compute = compute

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One operation of the graph."""
        if target is operator.getitem:
            return target(*args)
        args, kwargs = pytree.tree_map(_wide_type, (args, kwargs))
        return self._compute(target, args, kwargs)


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


@contextlib.contextmanager
def _float64_by_default() -> Iterator[None]:
    """For operations that make numbers of their own, such as zeros, or quotients of integers."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@functools.cache
def _is_pointwise(packet: torch._ops.OpOverloadPacket) -> bool:
    """Whether each element that an operation gives comes from one of each operand; not all its overloads say so."""
    return any(torch.Tag.pointwise in getattr(packet, name).tags for name in packet.overloads())  # type: ignore[no-untyped-call]


def _wide_type(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def _widened(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _inexact(tensor: Tensor) -> Tensor:
    """Where float32's significand is too short for an element of a float64 tensor."""
    return (tensor.contiguous().view(torch.int64) & _LOW_BITS) != 0
