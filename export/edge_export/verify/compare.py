"""The standard of proof: what an exported model must share with torch, element by element.

The reference is torch in float64. An element's error against it may be at most `MULTIPLE` times the largest of three
things, each a measure of what float32 cannot know about that element: torch float32's own error; how far the element
moves if the roundings of float32 fall otherwise (`arithmetic`); half a unit in the last place of the output's usual
magnitude. Where torch float32 itself is farther off than the last two explain, it overflowed on the way or met NaN:
there the exported model must do what torch float32 does. A label can therefore change only where the reference is
closer to the threshold than the error allowed. Integers and booleans must be equal wherever float32 decides them: where
they stay the same under roundings `MULTIPLE` times as large as float32's.

docs/proof.md says why eight, with figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.formats.string_inputs import spelled
from edge_export.tensors import Array, Run, Tensors, count_rows, within
from edge_export.verify.probe_inputs import EXTREME, MODERATE, NOT_FINITE, Case
from edge_export.verify.reference import CaseReference, TensorReference
from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.verification import distance


@dataclass(frozen=True)
class Element:
    """One element of what an exported model computes, and what torch computes there.

    Attributes:
        case: the kind of rows it is among.
        tensors: the inputs of the call, codes where an artifact takes texts.
        texts: the same with those texts, as the artifact was run on.
        batched: whether their first axis is the batch.
        output: the output that it is in.
        index: its place there.
        found: what the exported model gives.
        expected: what it should give.
        float32: what torch gives.
        float64: what torch gives in float64.
        allowed: how far it may be from what it should be.
        share: how far it is, as a share of that.
    """

    case: str
    tensors: Tensors
    texts: Tensors
    batched: bool
    output: str
    index: tuple[int, ...]
    found: float
    expected: float
    float32: float
    float64: float
    allowed: float
    share: float

    @property
    def inputs(self) -> list[str]:
        """The row that it is in, or the whole call where there are no rows, input by input and shortened."""
        row = self.index[0] if self.index else 0
        shown = []
        for name, values in self.texts.items():
            elements = (values[row] if self.batched and row < len(values) else values).reshape(-1)
            text = ", ".join(map(_shown, elements[:8].tolist()))
            rest = f", ... {elements.size - 8:,} more" if elements.size > 8 else ""
            shown.append(f"{name} [{text}{rest}]")
        return shown


@dataclass(frozen=True)
class Comparison:
    """How an exported model did in one case.

    Attributes:
        case: the inputs compared.
        rows: how many rows they have; calls, where there is no batch.
        torch_errors: torch float32's own error in each element where it did not overflow, shape (elements,).
        errors: the exported model's error in each element, shape (elements,).
        allowed: the error that each element may have, shape (elements,).
        decided: how many decisions are the same on both sides because float32 can make them, of how many; None if the
            program decides nothing.
        worst: the element that uses most of what it is allowed; None if there is none.
        only_overflow: whether `finite_only` leaves out every element that fails.
    """

    case: Case
    rows: int
    torch_errors: Array
    errors: Array
    allowed: Array
    decided: tuple[int, int] | None
    worst: Element | None
    only_overflow: bool

    @property
    def torch_error(self) -> float:
        """Torch float32's own largest error."""
        return float(self.torch_errors.max(initial=0.0))

    @property
    def error(self) -> float:
        """The exported model's largest error."""
        return float(self.errors.max(initial=0.0))

    @property
    def largest_allowed(self) -> float:
        """The largest error that any element may have, where float32 says anything of it."""
        return float(self.allowed[np.isfinite(self.allowed)].max(initial=0.0))

    @property
    def undecided(self) -> int:
        """Of how many elements nothing is said: integers that float32 cannot decide, or overflows that are left out."""
        return int(np.isinf(self.allowed).sum())

    @property
    def share(self) -> float:
        """The largest share of what it is allowed that an element uses, from 0 to 1 where the comparison holds."""
        return 0.0 if self.worst is None else self.worst.share

    @property
    def failed(self) -> int:
        """How many elements are farther off than they may be."""
        return int((shares(self.errors, self.allowed) > 1).sum())


class ParityError(EdgePredictError, AssertionError):
    """The exported model does not compute what torch computes; `comparison` is its worst case."""

    def __init__(self, name: str, comparison: Comparison, only_overflow: bool) -> None:
        """Say of the exported model `name` what the worst element of `comparison` is.

        With `only_overflow`, also that `finite_only` leaves out all that fails, in whatever case.
        """
        assert comparison.worst is not None
        worst, self.name, self.comparison = comparison.worst, name, comparison
        row = ", ".join(worst.inputs)
        shapes = " and ".join(str(list(values.shape)) for values in worst.tensors.values())
        place = "".join(f"[{index}]" for index in worst.index)
        multiple = f", or {worst.share:.3g} times what is allowed" if worst.share < float("inf") else ""
        message = (
            f"{name} does not compute what torch computes, and is not written: among {worst.case}, "
            f"{worst.output}{place} is {worst.found:.9g} for {row} in a call of shape {shapes}, "
            f"torch gives {worst.float32:.9g} (in float64 {worst.float64:.17g}); "
            f"the difference may be {worst.allowed:.2g}. {comparison.failed} of "
            f"{comparison.errors.size} elements fail; the smallest tolerance that would pass is {comparison.error:.2g}"
            f"{multiple}"
        )
        if only_overflow:
            message += (
                ". If NaN, infinity and numbers that overflow do not matter, --finite (finite_only=True) leaves them "
                "out, and the certificate says so"
            )
        super().__init__(message)


def shares(errors: Array, allowed: Array) -> Array:
    """Each error as a share of what is allowed; infinity where nothing is and there is one."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(errors == 0, 0.0, errors / allowed)


def errors_of(outputs: Array, reference: TensorReference) -> Array:
    """How far `outputs` are from what is expected: infinity where just one is NaN, 0 where nothing is expected."""
    if outputs.shape != reference.expected.shape:
        return np.full(reference.expected.shape, np.inf)
    return np.where(np.isinf(reference.allowed), 0.0, distance(outputs, reference.expected))


def compare(run: Run, references: Sequence[CaseReference], program: Program, name: str) -> list[Comparison]:
    """Hold an exported model against torch.

    Args:
        run: the exported model: tensors by name to tensors by name.
        references: what torch computes.
        program: what was exported.
        name: what to call the exported model in messages.

    Raises:
        ParityError: it does not hold; its `worst` is the worst element.
    """
    comparisons = [_compare_case(run, reference, program) for reference in references]
    worst = max(comparisons, key=lambda comparison: comparison.share, default=None)
    if worst is not None and worst.share > 1:
        failed = [comparison for comparison in comparisons if comparison.share > 1]
        raise ParityError(name, worst, only_overflow=all(comparison.only_overflow for comparison in failed))
    return comparisons


def _compare_case(run: Run, reference: CaseReference, program: Program) -> Comparison:
    own, errors, allowed = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    worst: Element | None = None
    only_overflow = True
    for tensors, batch in zip(reference.case.batches, reference.batches, strict=True):
        outputs = run(tensors)
        for name, expected in batch.items():
            apart = errors_of(outputs[name], expected)
            own.append(expected.torch_errors[expected.trusted & np.isfinite(expected.allowed)])
            errors.append(apart.reshape(-1))
            allowed.append(expected.allowed.reshape(-1))
            used = shares(apart, expected.allowed)
            only_overflow &= not (used > 1)[~_left_out(reference.case.name, tensors, expected)].any()
            if used.size and (worst is None or used.max() > worst.share):
                worst = _element(reference.case.name, tensors, program, name, outputs[name], expected, used)
    return Comparison(
        case=reference.case,
        rows=sum(count_rows(batch) if program.is_batched else 1 for batch in reference.case.batches),
        torch_errors=np.concatenate(own),
        errors=np.concatenate(errors),
        allowed=np.concatenate(allowed),
        decided=_decided(reference, program),
        worst=worst,
        only_overflow=only_overflow,
    )


def _shown(element: float | str) -> str:
    if not isinstance(element, str):
        return f"{element:.9g}"
    # In quotes, since blanks at its ends count too.
    return repr(element if len(element) <= 40 else f"{element[:40]}...")


def _left_out(case: str, tensors: Tensors, reference: TensorReference) -> npt.NDArray[np.bool_]:
    """Which elements `finite_only` would leave out, or whose inputs it would not draw."""
    if case == NOT_FINITE:
        return np.ones(reference.float32.shape, np.bool_)
    left_out = ~reference.is_finite
    if case == EXTREME:
        beyond = ~within(tensors, MODERATE)
        per_row = beyond.shape == left_out.shape[:1]
        left_out |= beyond.reshape(-1, *[1] * (left_out.ndim - 1)) if per_row else beyond.any()
    return left_out


def _element(
    case: str, tensors: Tensors, program: Program, output: str, found: Array, expected: TensorReference, used: Array
) -> Element:
    """The element that uses most."""
    index = tuple(int(place) for place in np.unravel_index(int(used.argmax()), used.shape))
    return Element(
        case=case,
        tensors=tensors,
        texts=spelled(tensors, program.signature),
        batched=program.is_batched,
        output=output,
        index=index,
        found=float(found[index]) if found.shape == used.shape else float("nan"),
        expected=float(expected.expected[index]),
        float32=float(expected.float32[index]),
        float64=float(expected.float64[index]),
        allowed=float(expected.allowed[index]),
        share=float(used[index]),
    )


def _decided(reference: CaseReference, program: Program) -> tuple[int, int] | None:
    """How many decisions float32 can make: the runner-up is farther away than both errors allowed together."""
    decided = total = 0
    signature = program.classifier
    for batch in reference.batches:
        if signature is None:
            for tensor in batch.values():
                if tensor.is_discrete:
                    decided += int((tensor.allowed == 0).sum())
                    total += tensor.allowed.size
            continue
        expected, allowed = batch[signature.output].expected, batch[signature.output].allowed
        total += len(expected)
        if signature.task == "binary_classification":
            decided += int((np.abs(expected[:, 0] - signature.threshold) > allowed[:, 0]).sum())
            continue
        best = expected.argmax(axis=1)[:, None]
        lead = np.take_along_axis(expected, best, 1) - expected - np.take_along_axis(allowed, best, 1) - allowed
        np.put_along_axis(lead, best, np.inf, axis=1)
        decided += int((lead > 0).all(axis=1).sum())
    return (decided, total) if total else None
