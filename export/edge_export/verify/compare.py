"""Holds an exported model against the reference, element by element; `reference` has the standard."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.formats.string_inputs import as_strings
from edge_export.tensors import Array, Run, Tensors, count_rows, take, within
from edge_export.verify.comparison import Comparison, Element, ParityError, tolerance_used
from edge_export.verify.probe_inputs import MODERATE
from edge_export.verify.probe_kinds import EXTREME, NOT_FINITE
from edge_export.verify.reference import CallReference, ProbeReference
from edge_export.verify.tensor_reference import TensorReference
from edge_runtime.contract.progress import SILENT, Progress
from edge_runtime.verification import distance

# How many of the rows that fail are looked at for numbers that overflow.
_WORST_ROWS = 8


def errors_of(outputs: Array, reference: TensorReference) -> Array:
    """How far `outputs` are from what is expected: infinity if only one is NaN, 0 for an excluded element."""
    if outputs.shape != reference.expected.shape:
        return np.full(reference.expected.shape, np.inf)
    return np.where(np.isinf(reference.tolerance), 0.0, distance(outputs, reference.expected))


def compare(
    run: Run, references: Sequence[ProbeReference], program: Program, name: str, progress: Progress = SILENT
) -> list[Comparison]:
    """Hold an exported model against torch.

    Args:
        run: the exported model: tensors by name to tensors by name.
        references: what torch computes.
        program: what was exported.
        name: what to call the exported model in messages.
        progress: advanced by one step for each call.

    Raises:
        ParityError: an element of required probe inputs is beyond its tolerance; its `comparison` has the worst one.
    """
    comparisons = [_compared(run, reference, program, progress) for reference in references]
    failed = [each for each in comparisons if each.is_required and not each.holds]
    if failed:
        worst = max(failed, key=lambda comparison: comparison.tolerance_used)
        raise ParityError(name, worst, only_overflow=all(comparison.only_overflow for comparison in failed))
    return comparisons


def _compared(run: Run, reference: ProbeReference, program: Program, progress: Progress) -> Comparison:
    kind = reference.probe.kind
    own, errors, tolerance = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    worst: Element | None = None
    only_overflow = True
    # More draws show whether a few that were small by chance are why an element fails.
    closer, is_required = reference.closer, reference.probe.is_required
    for tensors, expected in zip(reference.probe.calls, reference.calls, strict=True):
        outputs = run(tensors)
        if closer is not None and _must_not_fail(reference, tensors, outputs, expected, program):
            expected = closer(tensors)
            if _must_not_fail(reference, tensors, outputs, expected, program):
                # Once is enough to refuse a file.
                closer, is_required = None, True
        for name, tensor in expected.items():
            apart = errors_of(outputs[name], tensor)
            own.append(tensor.torch_errors[tensor.trusted & np.isfinite(tensor.tolerance)])
            errors.append(apart.reshape(-1))
            tolerance.append(tensor.tolerance.reshape(-1))
            used = tolerance_used(apart, tensor.tolerance)
            only_overflow &= not (used > 1)[~_excluded_if_finite(kind, tensors, tensor)].any()
            if used.size and (worst is None or used.max() > worst.tolerance_used):
                worst = _worst_element(kind, tensors, program, name, outputs[name], tensor, used)
        progress.advance()
    return Comparison(
        probe=reference.probe,
        rows=sum(count_rows(call) if program.is_batched else 1 for call in reference.probe.calls),
        torch_errors=np.concatenate(own),
        errors=np.concatenate(errors),
        tolerance=np.concatenate(tolerance),
        decided=_decided(reference, program),
        worst=worst,
        only_overflow=only_overflow,
        is_required=is_required,
    )


def _must_not_fail(
    reference: ProbeReference, tensors: Tensors, outputs: Tensors, expected: CallReference, program: Program
) -> bool:
    """Whether an element of a call fails that is required, or that follows from numbers within their range alone."""
    if reference.probe.is_required or reference.overflows is None:
        return reference.probe.is_required and fails(outputs, expected)
    used = []
    for name, tensor in expected.items():
        apart = errors_of(outputs[name], tensor)
        if outputs[name].shape == tensor.float32.shape and not tensor.is_discrete:
            # Where the file alone is not finite, its own numbers overflow on the way.
            apart = np.where(np.isfinite(outputs[name]), apart, 0.0)
        used.append(tolerance_used(apart, tensor.tolerance))
    if not any((each > 1).any() for each in used):
        return False
    count = count_rows(tensors) if program.is_batched else None
    if count is None or any(values.shape[:1] != (count,) for values in used):
        return not reference.overflows(tensors)
    by_row = np.max([values.reshape(count, -1).max(axis=1, initial=0.0) for values in used], axis=0)
    worst = [row for row in np.argsort(-by_row)[:_WORST_ROWS] if by_row[row] > 1]
    return any(not reference.overflows(take(tensors, np.array([row]))) for row in worst)


def fails(outputs: Tensors, expected: CallReference) -> bool:
    """Whether an element is beyond its tolerance."""
    return any(
        bool((tolerance_used(errors_of(outputs[name], tensor), tensor.tolerance) > 1).any())
        for name, tensor in expected.items()
    )


def _excluded_if_finite(kind: str, tensors: Tensors, reference: TensorReference) -> npt.NDArray[np.bool_]:
    """Which elements `finite_only` would exclude, or whose inputs it would not draw."""
    if kind == NOT_FINITE:
        return np.ones(reference.float32.shape, np.bool_)
    excluded = ~reference.is_finite
    if kind == EXTREME:
        beyond = ~within(tensors, MODERATE)
        per_row = beyond.shape == excluded.shape[:1]
        excluded |= beyond.reshape(-1, *[1] * (excluded.ndim - 1)) if per_row else beyond.any()
    return excluded


def _worst_element(
    kind: str, tensors: Tensors, program: Program, output: str, found: Array, expected: TensorReference, used: Array
) -> Element:
    """The element that uses most of its tolerance."""
    index = tuple(int(place) for place in np.unravel_index(int(used.argmax()), used.shape))
    return Element(
        kind=kind,
        tensors=tensors,
        strings=as_strings(tensors, program.signature),
        batched=program.is_batched,
        output=output,
        index=index,
        found=float(found[index]) if found.shape == used.shape else float("nan"),
        expected=float(expected.expected[index]),
        float32=float(expected.float32[index]),
        float64=float(expected.float64[index]),
        tolerance=float(expected.tolerance[index]),
        tolerance_used=float(used[index]),
    )


def _decided(reference: ProbeReference, program: Program) -> tuple[int, int] | None:
    """How many decisions float32 can make: the runner-up is farther away than both tolerances together."""
    decided = total = 0
    signature = program.classifier
    for call in reference.calls:
        if signature is None:
            for tensor in call.values():
                if tensor.is_discrete:
                    decided += int((tensor.tolerance == 0).sum())
                    total += tensor.tolerance.size
            continue
        expected, tolerance = call[signature.output].expected, call[signature.output].tolerance
        total += len(expected)
        if signature.task == "binary_classification":
            decided += int((np.abs(expected[:, 0] - signature.threshold) > tolerance[:, 0]).sum())
            continue
        best = expected.argmax(axis=1)[:, None]
        lead = np.take_along_axis(expected, best, 1) - expected - np.take_along_axis(tolerance, best, 1) - tolerance
        np.put_along_axis(lead, best, np.inf, axis=1)
        decided += int((lead > 0).all(axis=1).sum())
    return (decided, total) if total else None
