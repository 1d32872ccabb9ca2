"""Capturing any module with torch.export, or adopting a program that was exported already."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind, TensorArgument
from torch.utils import _pytree as pytree

from edge_export.capture.attempts import Attempts, Captured
from edge_export.capture.call import bind, enlarged
from edge_export.capture.checks import (
    check_codes,
    check_dates,
    check_outputs,
    check_repeats,
    check_runs,
    check_signature,
    check_types,
)
from edge_export.capture.classes import Classes
from edge_export.capture.copies import on_cpu
from edge_export.capture.functional import functional
from edge_export.capture.naming import dimension_ranges, named_axes, named_tensors, output_names
from edge_export.capture.program import InputTensor, Program, placeholders
from edge_export.capture.quiet import quiet
from edge_export.capture.structures import is_cache, looked_into, plain, records_in
from edge_export.errors import ExportError
from edge_export.tensors import BATCH, Axes, Tensors
from edge_runtime import Signature


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
        module: any module.
        example_inputs: what it is called with: a tensor, a tuple of positional arguments, or a dict of arguments by
            name; each argument may be a tuple, list, dict or dataclass of tensors.
        dynamic: for tensors by name, the names of their axes, None where the size is fixed; axes beyond the last one
            named are fixed. Axes that share a name share their size. A tensor that is not mentioned has its first axis
            for the batch. Tensors within an argument are named argument_key, such as batch_image.
        signature: what rows and answers mean; the module's own attribute `signature` by default.
        classes: the labels of its output, in place of a signature.

    Raises:
        ExportError: torch cannot export it; the message names the operation or the branch that is the cause.
    """
    module = on_cpu(module)
    check_types({**dict(module.named_parameters()), **dict(module.named_buffers())})
    arguments = bind(module, example_inputs)
    records = records_in(dict(arguments.arguments))
    if caches := [place for kind, place in records.items() if is_cache(kind)]:
        raise ExportError(
            f"the argument {caches[0]} is a cache of earlier keys and values, which torch.export cannot look into: "
            "leave it out, with use_cache=False if the module takes that"
        )
    if signature is None and isinstance(found := getattr(module, "signature", None), Signature):
        signature = found
    with looked_into(records):
        names = named_tensors(arguments)
        axes = named_axes(names, dynamic or {})
        if classes is not None:
            returned, _ = check_runs(module, arguments.args, arguments.kwargs)
            signature = classes.signature(returned, names, signature)
            module.register_forward_hook(classes)
        example, sizes = enlarged(names, axes)
        doubled = [dimension for dimension, size in sizes.items() if size == 1]
        attempts = Attempts(module, arguments, axes, doubled, records)
        return _program(module, attempts.captured(example), axes, signature)


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
    names = named_tensors(bind(module, args, kwargs))
    check_types(exported.state_dict)
    returned, is_stateful = check_runs(module, args, kwargs)
    if classes is not None:
        signature = classes.signature(returned, names, signature)
        exported = classes.with_probabilities(exported)
        module = exported.module()
        returned, is_stateful = check_runs(module, args, kwargs)
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
    return _program(module, Captured(exported, names, names, is_stateful, records_in(returned)), axes, signature)


def _program(module: nn.Module, captured: Captured, axes: Mapping[str, Axes], signature: Signature | None) -> Program:
    with looked_into(captured.records):
        exported, notes = functional(captured.exported)
        outputs, structure = output_names(exported, captured.example, signature), exported.call_spec.in_spec
        _keep_plain_tensors(exported)
    notes += [
        f"output{place} is a cache of earlier keys and values ({kind.__name__}), which an artifact cannot hold: it is "
        "dropped"
        for kind, place in captured.records.items()
        if is_cache(kind)
    ]
    check_outputs(exported, outputs)
    inputs = []
    for name, tensor in captured.example.items():
        shape = [size if axis is None else axis for size, axis in zip(tensor.shape, axes[name], strict=True)]
        inputs.append(InputTensor(name, np.dtype(str(tensor.dtype).removeprefix("torch.")), tuple(shape)))
    if not inputs:
        raise ExportError("the module takes no tensor as input, so that there is nothing to answer")
    if signature is not None:
        check_signature(signature, inputs, outputs)
    program = Program(
        module=module,
        exported=exported,
        inputs=tuple(inputs),
        outputs=outputs,
        example=_arrays(captured.example),
        dimensions=dimension_ranges(exported, inputs),
        signature=signature,
        structure=structure,
        is_stateful=captured.is_stateful,
        records=tuple(captured.records),
        notes=tuple(notes),
    )
    check_repeats(program, _arrays(captured.given))
    check_codes(program)
    check_dates(program)
    return program


def _arrays(tensors: Mapping[str, Tensor]) -> Tensors:
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def _keep_plain_tensors(exported: ExportedProgram) -> None:
    """Drop what `exported` gives besides tensors, such as sizes, and new values of what it takes.

    What it takes has dicts in place of records from then on.
    """
    specs = exported.graph_signature.output_specs
    kept = [spec.kind == OutputKind.USER_OUTPUT and isinstance(spec.arg, TensorArgument) for spec in specs]
    output = exported.graph.output_node()
    output.args = (tuple(itertools.compress(output.args[0], kept)),)
    specs[:] = itertools.compress(specs, kept)
    signature = exported.module_call_graph[0].signature
    signature.in_spec, signature.out_spec = (
        plain(exported.call_spec.in_spec),
        pytree.tree_structure((None,) * len(specs)),
    )
    exported.example_inputs = pytree.tree_unflatten(pytree.tree_leaves(exported.example_inputs), signature.in_spec)
    exported.graph.eliminate_dead_code()
    exported.graph_module.recompile()
