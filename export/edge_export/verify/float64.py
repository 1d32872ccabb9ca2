"""A captured program in float64: the reference that everything is measured against."""

import contextlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.export.graph_signature import InputKind, TensorArgument
from torch.utils import _pytree as pytree

from edge_export.capture.diagnostics import cause
from edge_export.capture.program import Program, state_of
from edge_export.errors import ExportError
from edge_export.recent_results import RecentResults
from edge_export.tensors import Tensors
from edge_export.verify.graph_walk import GraphWalk, mapped
from edge_export.verify.norms import NORMS

_aten = torch.ops.aten
_control = torch.ops.higher_order
_WIDE = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
}
# Weights of more bytes are widened where they are used, each time: a second copy of a large model would not fit.
_MOST_WIDENED = 2**26

Operation = Callable[..., Any]


class Arithmetic:
    """Runs a program in float64."""

    def __init__(self, program: Program) -> None:
        """Widen the parameters, buffers and constants of `program`."""
        self._program = program
        state = state_of(program.exported)
        is_small = sum(tensor.nbytes for tensor in state.values()) <= _MOST_WIDENED
        self._state = {name: _widened(tensor) if is_small else tensor.detach() for name, tensor in state.items()}
        self._walks: dict[fx.GraphModule, GraphWalk] = {}
        self._results = RecentResults()

    def run(self, tensors: Tensors) -> Tensors:
        """What the program gives in float64 for `tensors`, by output: read-only arrays.

        Raises:
            ExportError: an operation in it has no float64.
        """
        return self._results.of(tensors, self.computed)

    def computed(self, tensors: Tensors) -> Tensors:
        """As `run`, anew."""
        given = iter([_widened(torch.from_numpy(np.array(tensors[spec.name]))) for spec in self._program.inputs])
        placeholders = []
        for spec in self._program.exported.graph_signature.input_specs:
            if not isinstance(spec.arg, TensorArgument):
                placeholders.append(getattr(spec.arg, "value", None))
            elif spec.kind == InputKind.USER_INPUT:
                placeholders.append(next(given))
            else:
                assert spec.target is not None
                placeholders.append(self._state[spec.target])
        try:
            with torch.no_grad(), _float64_by_default():
                results = self._run_graph(self._program.exported.graph_module, placeholders)
        except Exception as error:
            raise ExportError(
                f"the module cannot be verified, since it cannot run in float64: {cause(error)}"
            ) from error
        found = [_widened(leaf).numpy() for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
        return dict(zip(self._program.outputs, found, strict=True))

    def _run_graph(self, module: fx.GraphModule, arguments: Sequence[Any]) -> Any:
        if module not in self._walks:
            self._walks[module] = GraphWalk(module)
        return self._walks[module].run(arguments, self._compute_wide)

    def _compute_wide(
        self, operation: Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any], dtype: torch.dtype | None
    ) -> Any:
        if operation is operator.getitem:
            return operation(*args)
        if operation is _aten.embedding.default:
            # Rows are widened once they are looked up: widening a large table for each call takes minutes.
            return _wide(self.compute(operation, args, kwargs, dtype))
        return self.compute(operation, mapped(_wide, args), mapped(_wide, kwargs), dtype)

    def compute(
        self, operation: Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any], dtype: torch.dtype | None
    ) -> Any:
        """The result of one operation.

        Args:
            operation: the operation.
            args: its operands, in float64 where the program has float32.
            kwargs: the same by name.
            dtype: the type of its result in the program, if that is a tensor.
        """
        if operation in (_aten._assert_tensor_metadata.default, _aten._assert_scalar.default):
            return None  # about float32
        match operation:
            case _aten.view.default:
                # In float64 an operation before it may lay out its result differently, which view refuses.
                return _aten.reshape.default(*args)
            case _aten.view.dtype:
                raise NotImplementedError("it reads the bits of its numbers, which are others in float64")
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
        if (steps := NORMS.get(getattr(operation, "overloadpacket", None))) is not None:
            return steps(lambda step, *operands: self.compute(step, operands, {}, dtype), *args, **kwargs)
        return operation(*args, **kwargs)


class RangeWatch(Arithmetic):
    """Runs a program in float64, and notes where the numbers on the way leave the range of their own type."""

    def __init__(self, exact: Arithmetic) -> None:
        """Watch what `exact` computes."""
        self.__dict__.update(exact.__dict__)  # the weights, which are large, are shared
        self._has_left = False

    def has_left(self, tensors: Tensors) -> bool:
        """Whether a number on the way is too large for its type, or not finite."""
        self._has_left = False
        self.computed(tensors)
        return self._has_left

    def compute(
        self, operation: Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any], dtype: torch.dtype | None
    ) -> Any:
        """The result of one operation."""
        result = super().compute(operation, args, kwargs, dtype)
        if not self._has_left and dtype is not None and dtype.is_floating_point:
            largest = torch.finfo(dtype).max
            for tensor in pytree.tree_leaves(result):
                if isinstance(tensor, Tensor) and tensor.is_floating_point():
                    self._has_left |= not bool((tensor.abs() <= largest).all())
        return result


@contextlib.contextmanager
def _float64_by_default() -> Iterator[None]:
    """For operations that make numbers of their own, such as zeros, or quotients of integers."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _wide(value: Any) -> Any:
    """A tensor in float64 for one of a narrower floating type, and that type for its; anything else as it is."""
    if isinstance(value, Tensor):
        return _widened(value)
    return _WIDE.get(value, value) if isinstance(value, torch.dtype) else value


def _widened(tensor: Tensor) -> Tensor:
    wide = _WIDE.get(tensor.dtype)
    return tensor if wide is None else tensor.to(wide)
