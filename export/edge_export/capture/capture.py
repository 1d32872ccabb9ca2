"""Capturing any module with torch.export, or adopting a program that was exported already."""

import copy
import inspect
import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.dynamic_shapes import refine_dynamic_shapes_from_suggested_fixes
from torch.export.graph_signature import OutputKind, SymIntArgument, TensorArgument
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from edge_export.capture.attention import any_layout, attention_in_steps
from edge_export.capture.checks import (
    check_codes,
    check_graph,
    check_repeats,
    check_runs,
    check_signature,
    check_types,
)
from edge_export.capture.classes import Classes
from edge_export.capture.diagnostics import cause
from edge_export.capture.naming import dimension_ranges, named_axes, named_tensors, output_names
from edge_export.capture.program import InputTensor, Program, placeholders
from edge_export.capture.quiet import quiet
from edge_export.capture.recurrent import any_length
from edge_export.errors import ExportError
from edge_export.tensors import BATCH, Axes
from edge_runtime import Signature
from edge_runtime.contract.terminal import one_line

_CHANGED_INPUT = OutputKind.USER_INPUT_MUTATION


@quiet()
def capture(
    module: nn.Module,
    example_inputs: Any,
    dynamic: Mapping[str, Axes] | None = None,
    signature: Signature | None = None,
    classes: Classes | None = None,
) -> Program:
    """Capture `module` with torch.export, on a copy of it.

    Args:
        module: any module of float32 parameters.
        example_inputs: what it is called with: a tensor, a tuple of positional arguments, or a dict of arguments by
            name; each argument may be a tuple, list or dict of tensors.
        dynamic: for tensors by name, the names of their axes, None where the size is fixed; axes beyond the last one
            named are fixed. Axes that share a name share their size. A tensor that is not mentioned has its first axis
            for the batch. Tensors within an argument are named argument_key, such as batch_image.
        signature: what rows and answers mean; the module's own attribute `signature` by default.
        classes: the labels of its output, in place of a signature.

    Raises:
        ExportError: torch cannot export it; the message names the operation or the branch that is the cause.
    """
    module = _on_cpu(module)
    arguments = _bind(module, example_inputs)
    leaves, tree = pytree.tree_flatten(dict(arguments.arguments))
    names = named_tensors(arguments)
    axes = named_axes(names, dynamic or {})
    if signature is None and isinstance(found := getattr(module, "signature", None), Signature):
        signature = found
    if classes is not None:
        signature = classes.signature(check_runs(module, arguments.args, arguments.kwargs), names, signature)
        module.register_forward_hook(classes)
    sizes = _enlarge(names, axes)
    dims = {dimension: Dim(dimension) for dimension in sizes}
    wanted = iter(axes.values())
    flat_shapes = [
        {axis: dims[name] for axis, name in enumerate(next(wanted)) if name is not None}
        if isinstance(leaf, Tensor)
        else None
        for leaf in leaves
    ]
    shapes = pytree.tree_unflatten(flat_shapes, tree) if dims else None

    def exported_with(example: Mapping[str, Tensor]) -> ExportedProgram:
        tensors = iter(example.values())
        flat = [next(tensors) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        arguments.arguments.update(pytree.tree_unflatten(flat, tree))
        check_runs(module, arguments.args, arguments.kwargs, [name for name, size in sizes.items() if size == 1])
        return _export(module, arguments.args, arguments.kwargs, shapes, sizes)

    try:
        exported = exported_with(names)
    except _FixedDimension as error:
        # By chance the size may be a number that stands for something else in the module, such as the two directions of
        # an LSTM, and torch takes the one for the other: another size tells.
        names = {name: _lengthened(tensor, axes[name], error.dimension) for name, tensor in names.items()}
        try:
            exported = exported_with(names)
        except ExportError:
            raise error from None
    return _program(module, exported, names, axes, signature)


@quiet()
def adopt(exported: ExportedProgram, signature: Signature | None = None, classes: Classes | None = None) -> Program:
    """A program that was exported with torch.export, with the dimensions that were dynamic then.

    Raises:
        ExportError: it carries no example inputs, or takes or returns what an artifact cannot hold.
    """
    if exported.example_inputs is None:
        raise ExportError("the program carries no example inputs; save it with torch.export.save as it was exported")
    module = exported.module()
    args, kwargs = exported.example_inputs
    names = named_tensors(_bind(module, args, kwargs))
    check_types(exported.state_dict)
    returned = check_runs(module, args, kwargs)
    if classes is not None:
        signature = classes.signature(returned, names, signature)
        exported = classes.with_probabilities(exported)
        module = exported.module()
    symbols: dict[str, str] = {}
    axes: dict[str, Axes] = {}
    for name, node in zip(names, placeholders(exported), strict=True):
        sizes = node.meta["val"].shape
        for axis, size in enumerate(sizes):
            if not isinstance(size, int):
                symbols.setdefault(
                    str(size), BATCH if axis == 0 and BATCH not in symbols.values() else f"{name}_{axis}"
                )
        axes[name] = [None if isinstance(size, int) else symbols[str(size)] for size in sizes]
    return _program(module, exported, names, axes, signature)


def _program(
    module: nn.Module,
    exported: ExportedProgram,
    names: Mapping[str, Tensor],
    axes: Mapping[str, Axes],
    signature: Signature | None,
) -> Program:
    try:
        with any_length(), any_layout(exported):
            attention = torch.ops.aten.scaled_dot_product_attention.default
            exported = exported.run_decompositions({attention: attention_in_steps})
    except Exception as error:
        raise ExportError(f"torch.export cannot bring this module into functional form: {cause(error)}") from error
    specs = exported.graph_signature.output_specs
    if changed := [spec.target for spec in specs if spec.kind not in (OutputKind.USER_OUTPUT, _CHANGED_INPUT)]:
        raise ExportError(
            f"the module changes its own {', '.join(map(str, changed))} as it runs, and an artifact keeps nothing from "
            "call to call: make it an input and return its new value"
        )
    given = exported.graph_signature.input_specs
    if numbers := [spec.arg.name for spec in given if isinstance(spec.arg, SymIntArgument)]:
        raise ExportError(f"the argument {numbers[0]} is a number that may change; make it a tensor")
    inputs = []
    for name, tensor in names.items():
        shape = [size if axis is None else axis for size, axis in zip(tensor.shape, axes[name], strict=True)]
        inputs.append(InputTensor(name, np.dtype(str(tensor.dtype).removeprefix("torch.")), tuple(shape)))
    if not inputs:
        raise ExportError("the module takes no tensor as input, so that there is nothing to answer")
    outputs = output_names(exported, names, signature)
    _keep_tensors(exported)
    check_graph(exported, outputs)
    if signature is not None:
        check_signature(signature, inputs, outputs)
    program = Program(
        module=module,
        exported=exported,
        inputs=tuple(inputs),
        outputs=outputs,
        example={name: tensor.detach().numpy() for name, tensor in names.items()},
        dimensions=dimension_ranges(exported, inputs),
        signature=signature,
    )
    check_repeats(program)
    check_codes(program)
    return program


def _on_cpu(module: nn.Module) -> nn.Module:
    """A copy of `module` to export, so that neither its mode nor its place changes."""
    if not isinstance(module, nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise ExportError(f"a torch.nn.Module written in Python is needed, not {type(module).__name__}")
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    if isinstance(module, nn.DataParallel):
        module = module.module
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if empty := [name for name, tensor in state.items() if is_lazy(tensor)]:
        raise ExportError(f"{empty[0]} has no values yet, since the module is lazy: call it once before the export")
    # A tensor that was computed in an earlier call, such as torch.nn.utils.weight_norm's weight, cannot be copied with
    # its history.
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        module = copy.deepcopy(module, computed).cpu().eval()
    except Exception as error:
        raise ExportError(f"the module cannot be copied: {cause(error)}") from error
    check_types(state)
    return module.requires_grad_(False)


def _keep_tensors(exported: ExportedProgram) -> None:
    """Drop what `exported` gives besides tensors, such as sizes, and new values of inputs: an artifact has neither."""
    specs = exported.graph_signature.output_specs
    kept = [spec.kind == OutputKind.USER_OUTPUT and isinstance(spec.arg, TensorArgument) for spec in specs]
    output = exported.graph.output_node()
    output.args = (tuple(itertools.compress(output.args[0], kept)),)
    specs[:] = itertools.compress(specs, kept)
    exported.module_call_graph[0].signature.out_spec = pytree.tree_structure((None,) * len(specs))
    exported.graph_module.recompile()


def _bind(module: nn.Module, example_inputs: Any, kwargs: Mapping[str, Any] | None = None) -> inspect.BoundArguments:
    """The arguments of a call by the names of `module.forward`'s parameters."""
    match example_inputs:
        case tuple() | list():
            args, named = tuple(example_inputs), dict(kwargs or {})
        case Mapping():
            args, named = (), dict(example_inputs)
        case _:
            args, named = (example_inputs,), {}
    args, named = pytree.tree_map_only(np.ndarray, torch.from_numpy, (args, named))
    args, named = pytree.tree_map_only(Tensor, lambda tensor: tensor.detach().cpu(), (args, named))
    try:
        return inspect.signature(module.forward).bind(*args, **named)
    except TypeError as error:
        is_dict = args == () and named
        hint = "; a dict means arguments by name; as a single argument it is written ({...},)" if is_dict else ""
        raise ExportError(f"the example inputs do not fit the module's forward: {one_line(error)}{hint}") from error


def _enlarge(names: dict[str, Tensor], axes: Mapping[str, Axes]) -> dict[str, int]:
    """The size of each dimension in the example; an example of size 1, which torch takes for a constant, is doubled."""
    sizes: dict[str, int] = {}
    for name, tensor in names.items():
        for axis, dimension in enumerate(axes[name]):
            if dimension is not None and sizes.setdefault(dimension, tensor.shape[axis]) != tensor.shape[axis]:
                raise ExportError(
                    f"the dimension {dimension} has the size {sizes[dimension]} in one example input and "
                    f"{tensor.shape[axis]} in {name}; give axes of different sizes different names"
                )
    if empty := [dimension for dimension, size in sizes.items() if size == 0]:
        raise ExportError(f"the example inputs are empty along {empty[0]}; give at least one row")
    for name, tensor in names.items():
        repeats = [2 if dimension is not None and sizes[dimension] == 1 else 1 for dimension in axes[name]]
        if repeats:
            names[name] = tensor.repeat(*repeats)
    return sizes


def _export(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    shapes: Any,
    sizes: Mapping[str, int],
) -> ExportedProgram:
    problem: Exception | None = None
    # Deferred assertions capture more, such as kernels as wide as what they slide over, or an LSTM before a GRU; they
    # come second, since they also change the graphs of modules that need none.
    for deferred in (False, True):
        narrowed = shapes
        # Each round narrows a dimension's range to what the module turned out to need, such as a kernel's width.
        for _ in range(len(sizes) + 1):
            try:
                with any_length():
                    return torch.export.export(
                        module,
                        args,
                        kwargs,
                        dynamic_shapes=narrowed,
                        strict=False,
                        prefer_deferred_runtime_asserts_over_guards=deferred,
                    )
            except Exception as error:
                text = getattr(error, "msg", str(error))
                problem = problem or error
                if _fixed(text) or "Suggested fixes:" not in text:
                    break
                narrowed = refine_dynamic_shapes_from_suggested_fixes(text, narrowed)
    assert problem is not None
    if fixed := _fixed(getattr(problem, "msg", str(problem))):
        raise _FixedDimension(fixed[1], fixed[2]) from problem
    raise ExportError(f"torch.export cannot capture this module: {cause(problem)}") from problem


class _FixedDimension(ExportError):
    def __init__(self, dimension: str, size: str) -> None:
        self.dimension = dimension
        super().__init__(
            f"the dimension {dimension} cannot change: the module fixes it at {size}, the example's size; "
            "make the module independent of it, or say that the axis is fixed"
        )


def _lengthened(tensor: Tensor, axes: Axes, dimension: str) -> Tensor:
    """`tensor` with itself and a part of itself behind it along `dimension`: of size 2n + 5."""
    for axis, name in enumerate(axes):
        if name == dimension:
            size = 2 * tensor.shape[axis] + 5
            tensor = tensor.index_select(axis, torch.arange(size) % tensor.shape[axis])
    return tensor


def _fixed(text: str) -> re.Match[str] | None:
    """What torch.export suggests to fix a dimension at, if it does."""
    return re.search(r"^\s*(\w+) = (\d+)$", text, re.MULTILINE)
