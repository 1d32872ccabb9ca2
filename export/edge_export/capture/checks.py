"""What a module must be and do to be captured; an ExportError says in one line what is missing."""

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from edge_export.capture.attention import without_fast_path
from edge_export.capture.diagnostics import cause
from edge_export.capture.program import InputTensor, Program
from edge_export.errors import ExportError
from edge_runtime import Signature
from edge_runtime.contract.category_codes import UNKNOWN, last_code

EXPORTABLE_TYPES = {torch.float32, torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}


def check_types(state: Mapping[str, Tensor]) -> None:
    """See that every parameter and buffer has a type that an artifact can hold. Raises ExportError."""
    for name, tensor in state.items():
        if tensor.dtype not in EXPORTABLE_TYPES:
            raise ExportError(
                f"{name} is {tensor.dtype}; export module.float(), and choose the precision of the files with "
                "--precision (precisions=...)"
            )


def check_runs(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], doubled: Sequence[str] = ()) -> Any:
    """What the module returns for its example; `doubled` are dimensions that were 1 there. Raises ExportError."""
    args, kwargs = copy.deepcopy((args, kwargs))  # it may change them
    try:
        with torch.no_grad(), without_fast_path():
            return module(*args, **kwargs)
    except Exception as error:
        sizes = f", when {' and '.join(doubled)} is 2 in place of 1" if doubled else ""
        raise ExportError(f"the module fails on the example inputs{sizes}: {cause(error)}") from error


def check_graph(exported: ExportedProgram, outputs: Sequence[str]) -> None:
    """See that `exported` computes in types that an artifact can be held to."""
    graphs = [part.graph for part in exported.graph_module.modules() if isinstance(part, fx.GraphModule)]
    for node in itertools.chain.from_iterable(graph.nodes for graph in graphs):
        value = node.meta.get("val")
        if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
            raise ExportError(
                f"the module computes in {value.dtype} ({node.target}); export it in float32, and choose the precision "
                "of the files with --precision (precisions=...)"
            )
    for name, node in zip(outputs, exported.graph.output_node().args[0], strict=True):
        if node.meta["val"].dtype not in {*EXPORTABLE_TYPES, torch.float64}:
            raise ExportError(f"the output {name} is {node.meta['val'].dtype}, which an artifact cannot hold")


def check_signature(signature: Signature, inputs: Sequence[InputTensor], outputs: Sequence[str]) -> None:
    """See that `signature` is about these tensors."""
    described = {tensor.name: len(tensor.features) for tensor in signature.inputs}
    taken = {spec.name: spec.shape[-1] if len(spec.shape) == 2 else spec.shape for spec in inputs}
    if not signature.has_features:
        if described.keys() != taken.keys() or signature.output not in outputs:
            raise ExportError(
                f"the signature describes the inputs {', '.join(described)} and the output {signature.output}; "
                f"the module takes {', '.join(taken)} and returns {', '.join(outputs)}"
            )
        return
    if described != taken or signature.output not in outputs:
        raise ExportError(
            f"the signature describes inputs of (name, features) {[*described.items()]} and the output "
            f"{signature.output}; the module takes {[*taken.items()]} and returns {', '.join(outputs)}"
        )
    strings = {tensor.name for tensor in signature.inputs if tensor.holds_strings}
    for spec in inputs:
        if spec.name in strings and spec.dtype != np.int64:
            raise ExportError(
                f"the signature says that {spec.name} holds strings, so the module must take their codes in int64; "
                f"it takes {spec.dtype}"
            )
        if spec.name not in strings and spec.dtype.kind != "f":
            raise ExportError(f"the signature says that {spec.name} holds numbers; the module takes {spec.dtype}")


def check_codes(program: Program) -> None:
    """See that the module takes every category code: what it fails on would never be compared."""
    for tensor in () if program.signature is None else program.signature.inputs:
        for column, feature in enumerate(tensor.features if tensor.holds_strings else ()):
            last = last_code(feature)
            for code in (UNKNOWN, last):
                codes = program.example[tensor.name].copy()
                codes[:, column] = code
                try:
                    program.run({**program.example, tensor.name: codes})
                except Exception as error:
                    raise ExportError(
                        f"the module fails on the code {code} of {feature.name}, which has {last + 1} codes (0 for an "
                        f"unknown category, 1 for a missing value, one for each category): {cause(error)}"
                    ) from error


def check_repeats(program: Program) -> None:
    """See that the module gives the same again on its example, and so does its graph."""
    first, again = program.run(program.example), program.run(program.example)
    captured = program.call(program.exported.module(check_guards=False), program.example)
    for name, values in first.items():
        if not _may_be_same(values, again[name]):
            raise ExportError(
                f"the module returns another {name} when it is called again with the same inputs: it draws random "
                "numbers, or keeps something from call to call; make that an input"
            )
        if values.dtype.kind == "f" and not _may_be_same(values, captured[name]):
            raise ExportError(
                f"the module returns another {name} than the graph that torch.export made of it: it computes "
                "differently while it is exported"
            )


def _may_be_same(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two results may be roundings of the same."""
    size = np.abs(one[np.isfinite(one)]).max(initial=0.0)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-2, atol=1e-3 * size, equal_nan=True)
