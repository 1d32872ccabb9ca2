"""A captured program in functional form: every value is computed once, and nothing is kept from call to call."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind, SymIntArgument, TensorArgument

from edge_export.capture.attention import attention_in_steps
from edge_export.capture.diagnostics import cause
from edge_export.capture.in_place import in_functional_form
from edge_export.errors import ExportError


def functional(exported: ExportedProgram) -> tuple[ExportedProgram, list[str]]:
    """`exported` without in-place operations, and what the user should know of what it changed in place.

    Raises:
        ExportError: torch cannot do that, or an output depends on what the module keeps from call to call.
    """
    replaced = _without_replaced_buffers(exported)
    try:
        exported = in_functional_form(
            exported,
            {
                torch.ops.aten.scaled_dot_product_attention.default: attention_in_steps,
                torch.ops.aten.cat.default: _cat_of_several_types,
                torch.ops.aten.stack.default: _stack_of_several_types,
                torch.ops.aten.softmax.int: _in_its_type(torch.softmax),
                torch.ops.aten.log_softmax.int: _in_its_type(torch.log_softmax),
            },
        )
    except Exception as error:
        raise ExportError(f"torch.export cannot bring this module into functional form: {cause(error)}") from error
    given = exported.graph_signature.input_specs
    if numbers := [spec.arg.name for spec in given if isinstance(spec.arg, SymIntArgument)]:
        raise ExportError(f"the argument {numbers[0]} is a number that may change; make it a tensor")
    read = _read_state(exported)
    changed = replaced + [
        str(spec.target)
        for spec in exported.graph_signature.output_specs
        if spec.kind not in (OutputKind.USER_OUTPUT, OutputKind.USER_INPUT_MUTATION)
    ]
    if kept := [name for name in changed if name in read]:
        raise ExportError(
            f"the module changes its own {', '.join(kept)} as it runs, and an artifact keeps nothing from "
            "call to call: make it an input and return its new value"
        )
    return exported, [
        f"the module changes its own {name} as it runs, which no output depends on: the artifact does not"
        for name in changed
    ]


def _cat_of_several_types(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    return _of_one_type(torch.cat, tensors, dim)


def _stack_of_several_types(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    return _of_one_type(torch.stack, tensors, dim)


def _in_its_type(softmax: Callable[[Tensor, int], Tensor]) -> Callable[..., Any]:
    """The steps of `softmax` in the type that is asked for: torch's ONNX exporter computes it in that of `values`."""

    def steps(values: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
        return NotImplemented if dtype in (None, values.dtype) else softmax(values.to(dtype), dim)

    return steps


def _of_one_type(join: Callable[..., Tensor], tensors: Sequence[Tensor], dim: int) -> Any:
    """`tensors` joined in the type of the result, where they have several: torch's ONNX exporter leaves them so."""
    if len({tensor.dtype for tensor in tensors}) == 1:
        return NotImplemented
    kind = functools.reduce(torch.promote_types, [tensor.dtype for tensor in tensors])
    return join([tensor.to(kind) for tensor in tensors], dim)


def _without_replaced_buffers(exported: ExportedProgram) -> list[str]:
    """Take out what puts a new tensor in the place of a buffer that is not read; the names of these buffers.

    It may have another shape, as a table that grows with the longest sequence has, which torch cannot express.
    """
    names = {**exported.graph_signature.inputs_to_buffers}
    replaced = []
    for node in list(exported.graph.nodes):
        if node.target is torch.ops.aten.copy_.default and not node.users:
            buffer = node.args[0]
            if buffer.name in names and list(buffer.users) == [node]:
                exported.graph.erase_node(node)
                replaced.append(names[buffer.name])
    exported.graph_module.recompile()
    return replaced


def _read_state(exported: ExportedProgram) -> Collection[str]:
    """The names of the parameters, buffers and constants that an output depends on."""
    output = exported.graph.output_node().args[0]
    specs = exported.graph_signature.output_specs
    waiting = [
        node
        for node, spec in zip(output, specs, strict=True)
        if spec.kind == OutputKind.USER_OUTPUT and isinstance(node, fx.Node)
    ]
    met = set(waiting)
    while waiting:
        found = set(waiting.pop().all_input_nodes) - met
        met |= found
        waiting += found
    names = {node.name for node in met if node.op == "placeholder"}
    specs_in = exported.graph_signature.input_specs
    return {
        str(spec.target)
        for spec in specs_in
        if spec.kind != InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument) and spec.arg.name in names
    }
