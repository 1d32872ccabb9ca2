"""A captured program in float64: the reference that everything is measured against."""

import contextlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument
from torch.utils import _pytree as pytree

from edge_export.capture.diagnostics import cause
from edge_export.capture.program import Program
from edge_export.capture.quiet import quiet
from edge_export.capture.recurrent import any_length
from edge_export.errors import ExportError
from edge_export.tensors import Tensors

_aten = torch.ops.aten
_control = torch.ops.higher_order
_NORMS = {_aten.group_norm, _aten.instance_norm, _aten.layer_norm}

Operation = Callable[..., Any]


class Arithmetic:
    """Runs a program in float64."""

    def __init__(self, program: Program) -> None:
        """Widen the parameters, buffers and constants of `program`."""
        self._program = program
        self._exported = _with_norms_in_steps(program.exported)
        # Rows are widened once they are looked up: a large table would take twice its memory again.
        tables = _only_looked_up(self._exported)
        self._state = {
            name: tensor if name in tables else _widened(tensor)
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
            raise ExportError(
                f"the module cannot be verified, since it cannot run in float64: {cause(error)}"
            ) from error
        found = [leaf for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
        return dict(zip(self._program.outputs, found, strict=True))

    def _run_graph(self, module: fx.GraphModule, arguments: Sequence[Any]) -> Any:
        return _Interpreter(module, self.compute).run(*arguments)

    def compute(self, operation: Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The result of one operation; `args` hold float64 where the program has float32."""
        if operation in (_aten._assert_tensor_metadata.default, _aten._assert_scalar.default):
            return None  # about float32
        match operation:
            case _aten.embedding.default:
                return _widened(operation(*args, **kwargs))
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


def _only_looked_up(exported: ExportedProgram) -> set[str]:
    """The names of the parameters, buffers and constants of which the graph only looks up rows."""
    specs = exported.graph_signature.input_specs
    placeholders = [node for node in exported.graph.nodes if node.op == "placeholder"]
    return {
        spec.target
        for spec, node in zip(specs, placeholders, strict=True)
        if spec.target is not None
        and all(user.target is _aten.embedding.default and user.args[1] is not node for user in node.users)
    }


class _Interpreter(fx.Interpreter):
    """Walks a graph whose operations `compute` does, in float64 where the graph says float32."""

    def __init__(self, module: fx.GraphModule, compute: Operation) -> None:
        super().__init__(module)
        self._compute = compute

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One operation of the graph."""
        if target is operator.getitem:
            return target(*args)
        args, kwargs = pytree.tree_map(_wide_type, (args, kwargs))
        return self._compute(target, args, kwargs)


@contextlib.contextmanager
def _float64_by_default() -> Iterator[None]:
    """For operations that make numbers of their own, such as zeros, or quotients of integers."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _wide_type(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def _widened(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
