"""The reference: what torch computes in float64, and how far from it an exported model may be, element by element.

The tolerance of an element is `MULTIPLE` times the largest of four things, each a measure of what float32 cannot
resolve of that element: how far roundings usually move its output (`usual_errors`); how far they move this element
(`random_rounding`), where that was drawn; torch float32's own error there and in its row; half a unit in its last
place. It is never less than torch's largest error in the row, so that what is nearer to float64 than torch passes.

Where torch float32 is farther off than roundings explain, float64 is still the reference, unless a number on the way
was seen to leave float32's range, or the captured graph in float32 does not follow the module: there the exported model
must do what the module does in float32. So a label can change only if the reference is closer to the threshold than
the tolerance. Integers and booleans must be equal wherever float32 decides them: wherever they stay the same under
roundings `MULTIPLE` times as large as float32's.

docs/verification.md says why eight, with figures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import COSTLY, Program
from edge_export.errors import ExportError
from edge_export.tensors import Array, Tensors, count_rows, row_shapes
from edge_export.verify.draws import moved_by_roundings, row_factors, tile_factors
from edge_export.verify.float64 import Arithmetic, RangeWatch
from edge_export.verify.probe_kinds import NOT_FINITE, ProbeInputs
from edge_export.verify.tensor_reference import MULTIPLE, TensorReference
from edge_export.verify.usual_errors import UsualErrors
from edge_runtime.contract.progress import SILENT, Progress
from edge_runtime.verification import distance

# Random choices of the roundings: of a call, of one that is looked at closely, and of one whose module is very costly.
DRAWS, MANY_DRAWS, FEW_DRAWS = 4, 16, 2
# Numbers that are computed for a row of a module that is drawn for on one row.
VERY_COSTLY = 2.0**22

CallReference: TypeAlias = dict[str, TensorReference]
# A call, what it gives in float64, and how far each draw of roundings moves that.
_Known: TypeAlias = tuple[Tensors, Tensors, Mapping[str, Sequence[Array]]]


@dataclass(frozen=True)
class ProbeReference:
    """What torch computes for probe inputs.

    Attributes:
        probe: the inputs.
        calls: the references of each call, by output.
        closer: those of a call with more draws.
        overflows: whether a number on the way of a call leaves the range of its type; for inputs that are required
            where none does.
    """

    probe: ProbeInputs
    calls: tuple[CallReference, ...]
    closer: Callable[[Tensors], CallReference] | None = None
    overflows: Callable[[Tensors], bool] | None = None


class References:
    """Computes what torch computes for a program, in float32 as it is and in other arithmetic.

    Attributes:
        program: the program.
        exact: runs it in float64.
    """

    def __init__(self, program: Program, finite_only: bool = False) -> None:
        """Widen `program` to float64; `finite_only` as in `TensorReference`."""
        self.program = program
        self._finite_only = finite_only
        self.exact = Arithmetic(program)
        # Of a costly program only what is usual is drawn, and what seems to be wrong.
        self._draws = DRAWS if program.cost < COSTLY else 0
        self._usual: dict[str, Array] = {}
        # How many times as far as here roundings may move each output on another processor.
        self._elsewhere: dict[str, float] = {}

    def of_probes(self, probes: Sequence[ProbeInputs], progress: Progress = SILENT) -> list[ProbeReference]:
        """The references of all `probes`; the first one, of ordinary rows, tells what is usual."""
        ordinary, *others = probes
        known = self._known(ordinary, progress)
        drawn = known
        if not self._draws:
            # A few rows tell what is usual.
            call, draws = ordinary.calls[0], DRAWS
            if self.program.is_batched and self.program.cost >= VERY_COSTLY:
                call, draws = {name: values[:1] for name, values in call.items()}, FEW_DRAWS
            float64 = self.exact.run(call)
            drawn = [*known, (call, float64, moved_by_roundings(self.exact, call, float64, draws))]
        self._usual = _usual_errors(self.program, drawn)
        if self.program.has_convolutions:
            tensors, results, _ = drawn[0] if self._draws else drawn[-1]
            self._elsewhere = tile_factors(self.exact, tensors, results, self._usual)
        first = tuple(self._of_part(*each) for each in known)
        found = [ProbeReference(ordinary, first, self.of_call_closely)]
        for probe in others:
            calls = []
            for call in probe.calls:
                calls.append(self.of_call(call) if probe.is_required or self._draws else self._reported(probe, call))
                progress.advance()
            overflows = None if probe.is_required or probe.kind == NOT_FINITE else RangeWatch(self.exact).has_left
            found.append(ProbeReference(probe, tuple(calls), self.of_call_closely, overflows))
        return found

    def _known(self, ordinary: ProbeInputs, progress: Progress) -> list[_Known]:
        """Each call of `ordinary`, what it gives in float64, and how far roundings move that.

        Of a costly program a call whose rows are part of the last call has its part of that one's results.
        """
        *calls, last = ordinary.calls
        float64 = self.exact.run(last)
        known: list[_Known] = []
        for call in calls:
            part = None if self._draws or not self.program.is_batched else _part(call, last)
            if part is None or any(len(values) != count_rows(last) for values in map(np.atleast_1d, float64.values())):
                found = self.exact.run(call)
            else:
                found = {name: values[part] for name, values in float64.items()}
            known.append((call, found, moved_by_roundings(self.exact, call, found, self._draws)))
            progress.advance()
        progress.advance()
        return [*known, (last, float64, moved_by_roundings(self.exact, last, float64, self._draws))]

    def _of_part(self, tensors: Tensors, float64: Tensors, moved: Mapping[str, Sequence[Array]]) -> CallReference:
        """The references of a call, from its part of the results of another call if it agrees with them."""
        if self._draws:
            return self._references(tensors, float64, moved)
        found = self._references(tensors, float64, moved, explain=False)
        agrees = not any(_is_doubtful(each).any() or not np.isfinite(each.float64).all() for each in found.values())
        discrete = [each for each in found.values() if each.is_discrete]
        if agrees and all((each.float32 == each.float64).all() for each in discrete):
            return found
        return self.of_call(tensors)

    def of_call(self, tensors: Tensors) -> CallReference:
        """The references of one call, by output.

        Raises:
            ExportError: an output has another shape in float64 or under other roundings.
        """
        return self._with_draws(tensors, self._draws)

    def of_call_closely(self, tensors: Tensors) -> CallReference:
        """As `of_call`, with many draws."""
        return self._with_draws(tensors, MANY_DRAWS)

    def of_reference_rows(self, tensors: Tensors, closely: bool = False) -> CallReference:
        """As `of_call`, for rows that other processors are held to.

        With many draws; of a costly program only where `closely`, and with some where ordinary rows of other sizes told
        what is usual.
        """
        if self._draws or closely:
            draws = MANY_DRAWS
        else:
            draws = 0 if row_shapes(tensors) == row_shapes(self.program.example) else DRAWS
        found = self._with_draws(tensors, draws)
        return {name: replace(each, usual=each.usual * self._elsewhere.get(name, 1.0)) for name, each in found.items()}

    def _reported(self, probe: ProbeInputs, tensors: Tensors) -> CallReference:
        """As `of_call`, for a call of a costly program that is only reported: by fewer runs.

        NaN and infinity are what they are in float64 too, and why torch is far off an extreme number need not be known.
        """
        if probe.kind == NOT_FINITE:
            float32 = self.program.run(tensors)
            float64: Tensors = {
                name: values.astype(np.float64) if values.dtype.kind == "f" else values
                for name, values in float32.items()
            }
        else:
            float64 = self.exact.run(tensors)
        return self._references(tensors, float64, {name: [] for name in float64}, explain=False)

    def _with_draws(self, tensors: Tensors, count: int) -> CallReference:
        float64 = self.exact.run(tensors)
        return self._references(tensors, float64, moved_by_roundings(self.exact, tensors, float64, count))

    def _references(
        self, tensors: Tensors, float64: Tensors, moved: Mapping[str, Sequence[Array]], explain: bool = True
    ) -> CallReference:
        float32 = self.program.run(tensors)
        _check_shapes(tensors, float32, float64)
        references, doubtful = {}, False
        for name, values in float32.items():
            usual = self._usual.get(name, np.zeros(()))
            if values.dtype.kind == "f":
                sensitivity = np.nan_to_num(np.max([*moved[name], np.zeros(values.shape)], axis=0), posinf=0.0)
                usual = usual * row_factors(moved[name], usual)
            else:
                changed = np.any([*moved[name], np.zeros(values.shape, np.bool_)], axis=0)
                sensitivity = np.where(changed, np.inf, 0.0)
            known = np.zeros((), np.bool_)
            found = TensorReference(values, float64[name], sensitivity, usual, known, self._finite_only)
            references[name] = found
            doubtful |= bool(_is_doubtful(found).any())
        return _explained(self.program, self.exact, tensors, references) if doubtful and explain else references


def _explained(program: Program, exact: Arithmetic, tensors: Tensors, references: CallReference) -> CallReference:
    """`references` of one call with why torch float32 is far off in them: roundings, or something else."""
    overflows = RangeWatch(exact).has_left(tensors)
    captured = {} if overflows else _in_captured_graph(program, tensors)
    again = program.call(program.callable_module(), tensors)
    explained = dict(references)
    for name, found in references.items():
        doubtful = _is_doubtful(found)
        # Where the graph in float32 is as far off as the module, both round alike; or both draw random numbers.
        repeats = np.array_equal(again[name], found.float32, equal_nan=not found.is_discrete)
        if repeats and name in captured and captured[name].shape == doubtful.shape:
            doubtful &= distance(captured[name], found.float64) < found.torch_errors / 4
        explained[name] = replace(found, unexplained=doubtful)
    return explained


def _in_captured_graph(program: Program, tensors: Tensors) -> Tensors:
    """What the captured graph gives in float32; nothing for sizes that it does not hold for."""
    try:
        return program.run_captured(tensors)
    except RuntimeError:
        return {}


def _part(call: Tensors, whole: Tensors) -> slice | None:
    """Where the rows of `call` stand in `whole`, as its first or its last; None if they do not."""
    count, rows = count_rows(whole), count_rows(call)
    for part in (slice(0, rows), slice(count - rows, count)):
        if all(np.array_equal(values, whole[name][part], equal_nan=True) for name, values in call.items()):
            return part
    return None


def _usual_errors(program: Program, known: Sequence[_Known]) -> dict[str, Array]:
    """How far roundings usually move each output, of calls with their results in float64 and how these move."""
    types = {name: values.dtype for name, values in program.run(known[0][0]).items()}
    usual = {
        name: UsualErrors(program.fixed_axes[name], float(np.finfo(dtype).eps) / 2)
        for name, dtype in types.items()
        if dtype.kind == "f"
    }
    for _, float64, moved in known:
        for name, errors in usual.items():
            errors.add(float64[name], moved[name])
    return {name: errors.pooled() for name, errors in usual.items()}


def _is_doubtful(found: TensorReference) -> npt.NDArray[np.bool_]:
    """Where torch float32 is farther off than the roundings that were drawn explain."""
    if found.is_discrete:
        return np.zeros(found.float32.shape, np.bool_)
    return found.is_finite & (found.torch_errors > MULTIPLE * found.resolution)


def _check_shapes(tensors: Tensors, float32: Tensors, float64: Tensors) -> None:
    """See that the captured graph gives what the module gives."""
    for name, values in float32.items():
        if values.shape != float64[name].shape:
            raise ExportError(
                f"{name} has the shape {list(values.shape)} for inputs of the shapes "
                f"{[list(given.shape) for given in tensors.values()]}, and {list(float64[name].shape)} in what "
                "torch.export captured: the captured graph holds only for the example's branch or size"
            )
