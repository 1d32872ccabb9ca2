"""The ranges of inputs that the user states: what is drawn, if neither example nor graph tell it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_export.capture.program import InputTensor, Program
from edge_export.errors import ExportError
from edge_export.formats.string_inputs import string_features
from edge_export.tensors import Array
from edge_runtime.contract.terminal import suggestion


def stated_ranges(ranges: Mapping[str, Any], program: Program) -> dict[str, tuple[Array, Array]]:
    """The smallest and the largest value of the inputs in `ranges`, in arrays that broadcast to the inputs' shapes.

    Args:
        ranges: for inputs by name (low, high), or such a pair for each place on the last axis.
        program: takes the inputs.

    Raises:
        ExportError: a range is not one, does not fit its input, or the module fails at one of its ends.
    """
    specs = {spec.name: spec for spec in program.inputs}
    strings = string_features(program.signature)
    found = {}
    for name, given in ranges.items():
        if name not in specs:
            raise ExportError(
                f"ranges: no input is named {name}; the inputs are {', '.join(specs)}{suggestion(name, specs)}"
            )
        if name in strings or specs[name].dtype.kind == "b":
            kind = "strings, whose categories are in the signature" if name in strings else "booleans"
            raise ExportError(f"ranges: {name} holds {kind}; it has no range")
        found[name] = _read(given, specs[name])
    for name, ends in found.items():
        values = program.example[name]
        for end in ends:
            at_end = np.broadcast_to(end, values.shape).astype(values.dtype)
            if (problem := program.failure({**program.example, name: at_end})) is not None:
                shown = ", ".join(f"{number:g}" for number in end.reshape(-1)[:8])
                raise ExportError(f"ranges: the module fails with {name} at {shown}, an end of its range: {problem}")
    return found


def _read(given: Any, spec: InputTensor) -> tuple[Array, Array]:
    try:
        pairs = np.asarray(given)
        numbers = pairs.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise _unreadable(spec, given) from error
    if pairs.dtype.kind not in "iuf" or pairs.ndim not in (1, 2) or pairs.shape[-1] != 2:
        raise _unreadable(spec, given)
    if pairs.ndim == 2 and (not spec.shape or spec.shape[-1] != len(pairs)):
        last = spec.shape[-1] if spec.shape else "none"
        raise ExportError(
            f"ranges: {len(pairs)} pairs are given for {spec.name}, whose last axis has the size {last}: give one for "
            "each place on it, or a single (low, high) for all"
        )
    if not np.isfinite(numbers).all():
        raise ExportError(f"ranges: {spec.name} has a range that is not finite")
    if (wrong := numbers[..., 0] > numbers[..., 1]).any():
        low, high = numbers.reshape(-1, 2)[wrong.reshape(-1)][0]
        raise ExportError(f"ranges: {spec.name} has the range {low:g} to {high:g}; write the smaller number first")
    if spec.dtype.kind != "f":
        limits = np.iinfo(spec.dtype)
        if pairs.dtype.kind == "f" or (pairs < limits.min).any() or (pairs > limits.max).any():
            raise ExportError(f"ranges: {spec.name} holds {spec.dtype}; give integers that it can hold")
        numbers = pairs.astype(np.int64)
    shape = (*[1] * (len(spec.shape) - 1), -1) if spec.shape else ()
    return numbers[..., 0].reshape(shape), numbers[..., 1].reshape(shape)


def _unreadable(spec: InputTensor, given: Any) -> ExportError:
    return ExportError(
        f"ranges: {spec.name} has {given!r}; give (low, high), or a list of such pairs, one for each place on its last "
        "axis"
    )
