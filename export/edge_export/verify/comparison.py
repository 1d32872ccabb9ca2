"""How an exported model did against torch, and the error that says that it does not compute the same."""

from dataclasses import dataclass, field

import numpy as np

from edge_export.tensors import Array, Tensors
from edge_export.verify.probe_kinds import NOT_FINITE, ProbeInputs
from edge_runtime.contract.errors import EdgePredictError


@dataclass(frozen=True)
class Element:
    """One element of what an exported model computes, and what torch computes there.

    Attributes:
        kind: the kind of probe inputs that it is among.
        tensors: the inputs of the call, with codes if an artifact takes strings.
        strings: the same with those strings, as the artifact was run on.
        batched: whether their first axis is the batch.
        output: the output that it is in.
        index: its place there.
        found: what the exported model gives.
        expected: what it should give.
        float32: what torch gives.
        float64: what torch gives in float64.
        tolerance: how far it may be from `expected`.
        tolerance_used: its error as a fraction of the tolerance.
    """

    kind: str
    tensors: Tensors = field(repr=False)
    strings: Tensors = field(repr=False)
    batched: bool
    output: str
    index: tuple[int, ...]
    found: float
    expected: float
    float32: float
    float64: float
    tolerance: float
    tolerance_used: float

    @property
    def inputs(self) -> list[str]:
        """The row that it is in, or the whole call if there are no rows, input by input and shortened."""
        row = self.index[0] if self.index else 0
        shown = []
        for name, values in self.strings.items():
            elements = (values[row] if self.batched and row < len(values) else values).reshape(-1)
            text = ", ".join(map(_shown, elements[:8].tolist()))
            rest = f", ... {elements.size - 8:,} more" if elements.size > 8 else ""
            shown.append(f"{name} [{text}{rest}]")
        return shown


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """How an exported model did on probe inputs of one kind.

    Attributes:
        probe: the inputs compared.
        rows: how many rows they have; the number of calls if the program has no batch.
        torch_errors: torch float32's own error in each element that did not overflow, shape (elements,).
        errors: the exported model's error in each element, shape (elements,).
        tolerance: the tolerance of each element, shape (elements,); infinity if it is excluded.
        decided: how many decisions float32 can make, so that they are the same on both sides, and of how many; None if
            the program decides nothing.
        worst: the element that uses most of its tolerance; None if there is no element.
        only_overflow: whether `finite_only` would exclude every element that fails.
        is_required: whether the exported model must do here what torch does: on required inputs, and on others that it
            fails on although no number overflows.
    """

    probe: ProbeInputs
    rows: int
    torch_errors: Array
    errors: Array
    tolerance: Array
    decided: tuple[int, int] | None
    worst: Element | None
    only_overflow: bool
    is_required: bool = True

    def __repr__(self) -> str:
        return f"Comparison({self.probe.kind!r}, rows={self.rows}, tolerance_used={self.tolerance_used:.2g})"

    @property
    def torch_error(self) -> float:
        """Torch float32's own largest error."""
        return float(self.torch_errors.max(initial=0.0))

    @property
    def error(self) -> float:
        """The exported model's largest error."""
        return float(self.errors.max(initial=0.0))

    @property
    def largest_tolerance(self) -> float:
        """The largest tolerance of any element that is not excluded."""
        return float(self.tolerance[np.isfinite(self.tolerance)].max(initial=0.0))

    @property
    def excluded(self) -> int:
        """How many elements are excluded: integers that float32 cannot decide, or overflow with `finite_only`."""
        return int(np.isinf(self.tolerance).sum())

    @property
    def tolerance_used(self) -> float:
        """The largest fraction of its tolerance that an element uses: at most 1 if the comparison holds."""
        return 0.0 if self.worst is None else self.worst.tolerance_used

    @property
    def holds(self) -> bool:
        """Whether no element is beyond its tolerance."""
        return self.tolerance_used <= 1

    @property
    def failed(self) -> int:
        """How many elements are beyond their tolerance."""
        return int((tolerance_used(self.errors, self.tolerance) > 1).sum())

    @property
    def exception(self) -> str:
        """For which inputs a file is verified whose elements fail here, in one sentence without its subject."""
        assert self.worst is not None
        worst = self.worst
        place = "".join(f"[{index}]" for index in worst.index)
        holds_for = "finite inputs" if self.probe.kind == NOT_FINITE else "ordinary inputs"
        return (
            f"is verified for {holds_for}: on {self.probe.kind}, {self.failed:,} of {self.errors.size:,} elements are "
            f"not as in torch ({worst.output}{place} is {worst.found:.6g}, torch gives {worst.float32:.6g}); "
            "--require-nonfinite (require_nonfinite=True) refuses such a file"
        )


class ParityError(EdgePredictError, AssertionError):
    """The exported model does not compute what torch computes; `comparison` is its worst comparison."""

    def __init__(self, name: str, comparison: Comparison, only_overflow: bool) -> None:
        """Say of the exported model `name` what the worst element of `comparison` is.

        With `only_overflow`, also that `finite_only` excludes every element that fails, whatever its kind.
        """
        assert comparison.worst is not None
        worst, self.name, self.comparison = comparison.worst, name, comparison
        row = ", ".join(worst.inputs)
        shapes = " and ".join(str(list(values.shape)) for values in worst.tensors.values())
        place = "".join(f"[{index}]" for index in worst.index)
        used = f", or {worst.tolerance_used:.3g} times its tolerance" if worst.tolerance_used < float("inf") else ""
        message = (
            f"{name} does not compute what torch computes and is not written: among {worst.kind}, "
            f"{worst.output}{place} is {worst.found:.9g} for {row} in a call of shape {shapes}, "
            f"torch gives {worst.float32:.9g} (in float64 {worst.float64:.17g}); "
            f"the tolerance is {worst.tolerance:.2g}. {comparison.failed} of "
            f"{comparison.errors.size} elements fail; the smallest tolerance that would pass is {comparison.error:.2g}"
            f"{used}"
        )
        if only_overflow:
            message += (
                ". If NaN, infinity and numbers that overflow do not matter, --finite (finite_only=True) excludes "
                "them, and the certificate says so"
            )
        super().__init__(message)


def tolerance_used(errors: Array, tolerance: Array) -> Array:
    """Each error as a fraction of its tolerance; infinity for an error with a tolerance of 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(errors == 0, 0.0, errors / tolerance)


def _shown(element: float | str) -> str:
    if not isinstance(element, str):
        return f"{element:.9g}"
    # In quotes, since white space at the ends of a string counts too.
    return repr(element if len(element) <= 40 else f"{element[:40]}...")
