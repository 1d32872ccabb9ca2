"""What a module must be and do to be captured; an ExportError says in one line what is missing."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from edge_export.capture.attention import without_fast_path
from edge_export.capture.call import with_fixed
from edge_export.capture.copies import fresh, is_same
from edge_export.capture.diagnostics import cause
from edge_export.capture.distributions import without_validation
from edge_export.capture.program import InputTensor, Program
from edge_export.errors import ExportError
from edge_export.tensors import Axes, Tensors
from edge_runtime import Signature
from edge_runtime.contract.category_codes import UNKNOWN, last_code
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE, date_text

_REAL_TYPES = {torch.float16, torch.float32, torch.float64}
_INTEGERS = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
# Of inputs and outputs: those that torch and numpy both have.
EXPORTABLE_TYPES = _REAL_TYPES | _INTEGERS
_WEIGHT_TYPES = EXPORTABLE_TYPES | {torch.bfloat16, torch.complex64, torch.complex128}


def check_types(state: Mapping[str, Tensor]) -> None:
    """See that every parameter and buffer has a type that an artifact can hold. Raises ExportError."""
    for name, tensor in state.items():
        if tensor.dtype not in _WEIGHT_TYPES:
            raise ExportError(
                f"{name} is {tensor.dtype}; export module.float(), and choose the precision of the files with "
                "--precision (precisions=...)"
            )


def unfit(what: str, dtype: torch.dtype) -> str | None:
    """What is wrong with `what`, such as "the input x", if the runtime, which has numpy's types, has no `dtype`."""
    if dtype in EXPORTABLE_TYPES:
        return None
    if dtype == torch.bfloat16:
        return f"{what} is {dtype}, which numpy does not have: make it float32, and convert it in the forward"
    if dtype.is_complex:
        return f"{what} is {dtype}, which ONNX Runtime neither takes nor gives: see torch.view_as_real"
    return f"{what} is {dtype}, which an artifact cannot hold"


def check_runs(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    axes: Mapping[str, Axes] | None = None,
    doubled: Sequence[str] = (),
) -> tuple[Any, bool]:
    """What a copy of the module returns on its example, and whether the call changes the module.

    Raises:
        ExportError: it fails; of the axes of its inputs, those named in `doubled` were of size 1 in the example.
    """
    args, kwargs = copy.deepcopy((args, kwargs))  # it may change them
    called = fresh(module, with_buffers=True)
    try:
        with torch.no_grad(), without_fast_path(), without_validation():
            returned = called(*args, **kwargs)
    except Exception as error:
        if not doubled:
            raise ExportError(f"the module fails on the example inputs: {cause(error)}") from error
        sizes = " and ".join(doubled)
        raise ExportError(
            f"the module fails on the example inputs, when {sizes} is 2 in place of 1: {cause(error)}; if it takes "
            f"nothing but 1, say that the axis is fixed: {with_fixed(axes or {}, doubled)}"
        ) from error
    return returned, not is_same(called, module)


def check_outputs(exported: ExportedProgram, outputs: Sequence[str]) -> None:
    """See that what `exported` returns are types that an artifact can give. Raises ExportError."""
    for name, node in zip(outputs, exported.graph.output_node().args[0], strict=True):
        if (problem := unfit(f"the output {name}", node.meta["val"].dtype)) is not None:
            raise ExportError(problem)


def check_signature(signature: Signature, inputs: Sequence[InputTensor], outputs: Sequence[str]) -> None:
    """See that `signature` is about these tensors."""
    scale = None if signature.conformal is None else signature.conformal.scale
    if scale is not None and scale not in outputs:
        raise ExportError(
            f"the signature says that the output {scale} scales its intervals; the module returns "
            f"{', '.join(outputs)}; return a dict of tensors by these names"
        )
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
    dates = {tensor.name for tensor in signature.inputs if tensor.holds_dates}
    for spec in inputs:
        if spec.name in dates and spec.dtype != np.int64:
            raise ExportError(
                f"the signature says that {spec.name} holds dates, so the module must take their seconds since 1970 in "
                f"int64; it takes {spec.dtype}"
            )
        if spec.name in strings and spec.dtype != np.int64:
            raise ExportError(
                f"the signature says that {spec.name} holds strings, so the module must take their codes in int64; "
                f"it takes {spec.dtype}"
            )
        if spec.name not in strings | dates and spec.dtype.kind != "f":
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


def check_dates(program: Program) -> None:
    """See that the module takes every date: what it fails on would never be compared."""
    for tensor in () if program.signature is None else program.signature.inputs:
        for column, feature in enumerate(tensor.features if tensor.holds_dates else ()):
            missing = [] if feature.missing is None else [MISSING_DATE]
            for date in (FIRST_SECOND, LAST_SECOND, *missing):
                dates = program.example[tensor.name].copy()
                dates[:, column] = date
                try:
                    program.run({**program.example, tensor.name: dates})
                except Exception as error:
                    shown = "a missing value, -2**63," if date == MISSING_DATE else f"{date_text(date)} ({date})"
                    raise ExportError(
                        f"the module fails on {shown} for the date {feature.name}, which may be any of the years 1 to "
                        f"9999 in seconds since 1970: {cause(error)}"
                    ) from error


# Operations that draw random numbers in training, if at all.
_ONLY_IN_TRAINING = re.compile("dropout|rrelu|attention|lstm|gru|rnn")


def check_repeats(program: Program, given: Tensors) -> None:
    """See that the module gives the same again on its example, and so does its graph, also for the inputs `given`."""
    called = program.callable_module()
    first, again = program.call(called, program.example), program.call(called, program.example)
    for name, values in first.items():
        if not _may_be_same(values, again[name]):
            raise ExportError(
                f"the module returns another {name} when it is called again with the same inputs: it draws random "
                "numbers, or keeps something from call to call; make that an input"
            )
    _check_captured(program, program.example, first, "it computes differently while it is exported")
    if any(values.shape != program.example[name].shape for name, values in given.items()):
        _check_captured(program, given, program.run(given), "it computes differently for some sizes of its inputs")
    for node in program.exported.graph.nodes:
        drawing = (
            isinstance(node.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags
        )
        if drawing and node in program.varying and not _ONLY_IN_TRAINING.search(str(node.target)):
            raise ExportError(f"the module draws random numbers ({node.target}): make them an input")


def _check_captured(program: Program, inputs: Tensors, expected: Tensors, reason: str) -> None:
    captured = program.run_captured(inputs)
    for name, values in expected.items():
        if values.dtype.kind == "f" and not _may_be_same(values, captured[name]):
            raise ExportError(
                f"the module returns another {name} than the graph that torch.export made of it: {reason}"
            )


def _may_be_same(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two results may be roundings of the same."""
    size = np.abs(one[np.isfinite(one)]).max(initial=0.0)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-2, atol=1e-3 * size, equal_nan=True)
