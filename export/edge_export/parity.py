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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edge_export.arithmetic import HALF_UNIT, Arithmetic, RandomRounding
from edge_export.cases import MODERATE, Case, count_rows, within
from edge_export.errors import ExportError, ParityError
from edge_export.kinds import EXTREME, NOT_FINITE
from edge_export.program import Program, Tensors
from edge_export.text_front import spelled
from edge_runtime.verification import distance

MULTIPLE = 8.0
DRAWS = 16
COSTLY = 2.0**18  # numbers that are computed for a row

Array: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[[Tensors], Tensors]


@dataclass(frozen=True)
class TensorReference:
    """What torch computes for one output of one call; all arrays of the output's shape.

    Attributes:
        float32: what the module computes as it is.
        float64: what it computes in float64; for integers and booleans, what these then are.
        sensitivity: how far `float64` moves under the roundings of float32; for integers and booleans, infinity where
            they change under larger ones, else 0.
        magnitude: the output's usual magnitude, broadcastable to its shape.
        finite_only: whether nothing is said of elements that are not finite in float32 or in float64.
    """

    float32: Array
    float64: Array
    sensitivity: Array
    magnitude: Array
    finite_only: bool

    @property
    def is_discrete(self) -> bool:
        """Whether the output holds integers or booleans."""
        return bool(self.float32.dtype.kind != "f")

    @cached_property
    def resolution(self) -> Array:
        """What float32 can resolve of each element, as far as it depends on the program alone."""
        if self.is_discrete:
            return self.sensitivity
        size = np.maximum(np.where(np.isfinite(self.float64), np.abs(self.float64), 0.0), self.magnitude)
        resolution: Array = np.maximum(self.sensitivity, HALF_UNIT * size)
        return resolution

    @cached_property
    def torch_errors(self) -> Array:
        """The error of torch float32 against float64; NaN where either is NaN, 0 where both are the same infinity."""
        unknown = np.isnan(self.float32) | np.isnan(self.float64)
        return np.where(unknown, np.nan, distance(self.float32, self.float64))

    @cached_property
    def trusted(self) -> npt.NDArray[np.bool_]:
        """Where float32 did not overflow on the way, so that float64 is the truth."""
        return np.nan_to_num(self.torch_errors, nan=np.inf) <= MULTIPLE * self.resolution

    @cached_property
    def expected(self) -> Array:
        """What an exported model must compute."""
        return np.where(self.trusted, self.float64, self.float32)

    @cached_property
    def allowed(self) -> Array:
        """How far from `expected` it may be."""
        if self.is_discrete:
            return self.sensitivity
        allowed = MULTIPLE * np.maximum(self.resolution, np.where(self.trusted, self.torch_errors, 0))
        return np.where(self.is_finite, allowed, np.inf) if self.finite_only else allowed

    @property
    def is_finite(self) -> npt.NDArray[np.bool_]:
        """Where both float32 and float64 give a finite number."""
        return np.isfinite(self.float32) & np.isfinite(self.float64)


BatchReference: TypeAlias = dict[str, TensorReference]


@dataclass(frozen=True)
class CaseReference:
    """What torch computes in one case: for each batch, by output."""

    case: Case
    batches: tuple[BatchReference, ...]


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


class References:
    """Computes what torch computes for a program, in float32 as it is and in other arithmetic."""

    def __init__(self, program: Program, finite_only: bool = False) -> None:
        """Widen `program` to float64; `finite_only` as in `TensorReference`."""
        self.program = program
        self._finite_only = finite_only
        self.exact = Arithmetic(program)
        # 4 draws of a module with many elements still find the largest of many.
        self.draws = DRAWS if program.cost < COSTLY else DRAWS // 4
        self._draws = [RandomRounding(self.exact, seed) for seed in range(self.draws)]
        self._large_draws = [RandomRounding(self.exact, seed, MULTIPLE) for seed in range(self.draws)]
        self._magnitudes: dict[str, Array] = {}

    def of_cases(self, cases: Sequence[Case]) -> list[CaseReference]:
        """The references of all `cases`; the first one, of ordinary rows, tells each output's usual magnitude."""
        self._magnitudes = self._usual_magnitudes(cases[0])
        return [CaseReference(case, tuple(self.of_batch(batch) for batch in case.batches)) for case in cases]

    def of_batch(self, tensors: Tensors) -> BatchReference:
        """The references of one call, by output."""
        float32 = self.program.run(tensors)
        float64 = self._in(self.exact, tensors)
        for name, values in float32.items():
            if values.shape != float64[name].shape:
                raise ExportError(
                    f"{name} has the shape {list(values.shape)} for inputs of the shapes "
                    f"{[list(given.shape) for given in tensors.values()]}, and {list(float64[name].shape)} in what "
                    "torch.export captured: it holds for the example's branch or size alone"
                )
        is_discrete = any(values.dtype.kind != "f" for values in float32.values())
        draws = [self._in(draw, tensors) for draw in self._draws]
        large = [self._in(draw, tensors) for draw in self._large_draws] if is_discrete else draws
        references = {}
        for name, values in float32.items():
            if any(draw[name].shape != values.shape for draw in large):
                raise ExportError(
                    f"how many elements {name} has depends on how float32 rounds, so that it cannot be compared; give "
                    "a tensor of a fixed size, such as a mask"
                )
            if values.dtype.kind == "f":
                moved = [distance(draw[name], float64[name]) for draw in draws]
                sensitivity = np.nan_to_num(np.max(moved, axis=0), posinf=0.0)
            else:
                changed = np.any([draw[name] != float64[name] for draw in large], axis=0)
                sensitivity = np.where(changed, np.inf, 0.0)
            magnitude = self._magnitudes.get(name, np.zeros(()))
            references[name] = TensorReference(values, float64[name], sensitivity, magnitude, self._finite_only)
        return references

    def _in(self, arithmetic: Arithmetic, tensors: Tensors) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in arithmetic.run(tensors).items()}

    def _usual_magnitudes(self, case: Case) -> dict[str, Array]:
        """The root mean square of each output, for each place on its last axis where that has a fixed size."""
        found = [self._in(self.exact, batch) for batch in case.batches]
        magnitudes = {}
        for name in self.program.outputs:
            values = [outputs[name] for outputs in found]
            per_column = name in self.program.column_outputs
            flat = np.concatenate([value.reshape(-1, *(value.shape[-1:] if per_column else ())) for value in values])
            magnitudes[name] = np.sqrt((np.where(np.isfinite(flat), flat, 0.0).astype(np.float64) ** 2).mean(axis=0))
        return magnitudes


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
