"""What a lower precision costs and gives, measured on data: changed answers against size and time.

Float32 is compared with torch (`compare`). A lower precision is compared with float32, on rows and within limits that
the user gives, because no theory says how far off an 8-bit model may be.

What `measure_change` finds is the same on every run and may go into a file. Times are not, and must not.
"""

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from edge_export.budget import Budget
from edge_export.errors import BudgetExceeded, ExportError
from edge_export.formats.choices import Precision
from edge_export.tensors import Run, Tensors, largest_magnitude
from edge_runtime import Predictor
from edge_runtime.verification import distance

# The predicted class of each row, shape (rows,), from the outputs for a batch.
Decide: TypeAlias = Callable[[Tensors], npt.NDArray[Any]]

# Rows of the larger of two calls that are timed.
MANY = 64
# For how long each of them is timed, in seconds, and how many times at least and at most.
_SECONDS, _FEWEST_CALLS, _MOST_CALLS = 0.5, 5, 1000


@dataclass(frozen=True, eq=False, repr=False)
class Change:
    """How far the answers of a model in a lower precision are from float32's, row by row over all batches.

    Attributes:
        changes: the largest change in each row, in the units of `Budget.change`, shape (rows,), float64; infinity if
            only one side is NaN.
        flipped: whether the decision on each row changed, shape (rows,), bool; None if there is nothing to decide.
    """

    changes: npt.NDArray[np.float64]
    flipped: npt.NDArray[np.bool_] | None

    def __repr__(self) -> str:
        return f"Change(rows={self.rows}, flips={self.flips}, largest={self.largest:.2g})"

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return len(self.changes)

    @property
    def flips(self) -> int:
        """On how many rows the decision changed."""
        return 0 if self.flipped is None else int(self.flipped.sum())

    @property
    def largest(self) -> float:
        """The largest change in any row."""
        return float(self.changes.max())


class Ratio(NamedTuple):
    """A time as a multiple of float32's: the median of many pairs of runs, and their lower and upper quartile."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What a lower precision costs and gives.

    Attributes:
        change: how far the answers are from float32's.
        size: of the file, in bytes.
        size_ratio: of the file, as a fraction of the float32 file's.
        one: the time for one row, as a multiple of float32's.
        many: the time for `MANY` rows, as a multiple of float32's.
    """

    change: Change
    size: int
    size_ratio: float
    one: Ratio
    many: Ratio

    @property
    def verdict(self) -> str:
        """In words, whether it is worth it. Five percent count; for times, if three quarters of the runs show them."""
        times = {"on one row": self.one, f"on {MANY} rows": self.many}
        gains = ["smaller"] * (self.size_ratio < 0.95)
        gains += [f"faster {rows}" for rows, ratio in times.items() if ratio.high < 0.95]
        losses = ["larger"] * (self.size_ratio > 1.05)
        losses += [f"slower {rows}" for rows, ratio in times.items() if ratio.low > 1.05]
        if not gains:
            return "neither smaller nor faster than float32: ship float32"
        return f"{', '.join(gains)} than float32" + (f", but {', '.join(losses)}" if losses else "")


def measure(
    float32: bytes,
    candidate: bytes,
    batches: Sequence[Tensors],
    decide: Decide | None = None,
    probabilities: Container[str] = (),
) -> Measured:
    """Compare a file in a lower precision with the float32 file that it was made from, on the CPU.

    Args:
        float32: the content of that file.
        candidate: the content of the file in a lower precision.
        batches: input tensors by name. Take other rows than int8 was calibrated on, or it looks better than it is; the
            first batch is the one to time.
        decide: see `measure_change`.
        probabilities: see `measure_change`.

    Raises:
        ExportError: there are no rows.
        InvalidInput: `batches` do not fit the model.
    """
    reference, lower = (Predictor(content, device="cpu", threads=1) for content in (float32, candidate))
    # An input whose first axis has a fixed length has no rows to take.
    batched = {spec.name for spec in reference.inputs if spec.shape and not isinstance(spec.shape[0], int)}
    sizes = len(float32), len(candidate)
    return measure_runs((reference.run, lower.run), sizes, batches, batched, decide, probabilities)


def measure_runs(
    runs: tuple[Run, Run],
    sizes: tuple[int, int],
    batches: Sequence[Tensors],
    batched: Container[str],
    decide: Decide | None = None,
    probabilities: Container[str] = (),
) -> Measured:
    """Compare a model in a lower precision with the float32 model that it was made from.

    Args:
        runs: float32, and the lower precision.
        sizes: of both, in bytes.
        batches: see `measure`.
        batched: the names of the inputs whose first axis is the batch.
        decide: see `measure_change`.
        probabilities: see `measure_change`.

    Raises:
        ExportError: there are no rows.
    """
    float32, candidate = runs
    change = measure_change(list(map(float32, batches)), list(map(candidate, batches)), decide, probabilities)
    one, many = (
        measure_latency(
            runs,
            {
                name: np.take(tensor, range(rows), axis=0, mode="wrap") if name in batched else tensor
                for name, tensor in batches[0].items()
            },
        )
        for rows in (1, MANY)
    )
    return Measured(change, sizes[1], sizes[1] / sizes[0], one, many)


def measure_change(
    reference: Sequence[Tensors],
    outputs: Sequence[Tensors],
    decide: Decide | None = None,
    probabilities: Container[str] = (),
) -> Change:
    """How far `outputs` are from `reference`.

    An output of anything but floating-point numbers is a decision: where it differs, the row counts as flipped. NaN
    equals NaN; on one side only it is a change of infinity, and a flip if there is something to decide.

    Args:
        reference: what float32 gives for each batch, by the names of the outputs. The first axis of the first output is
            the batch's rows; the change of an output without that axis counts for every row.
        outputs: what the lower precision gives for them.
        decide: gives the predicted class of each row; None if the model predicts none.
        probabilities: the names of the outputs that hold probabilities.

    Raises:
        ExportError: there are no rows.
    """
    if not sum(map(_rows, reference)):
        raise ExportError("there are no rows to measure a lower precision on; give some")
    floating = [name for name, tensor in reference[0].items() if tensor.dtype.kind == "f"]
    scales = {
        name: 1.0 if name in probabilities else max(largest_magnitude(batch[name]) for batch in reference) or 1.0
        for name in floating
    }
    changes, flipped = [], []
    for one, other in zip(reference, outputs, strict=True):
        rows = _rows(one)
        change = np.zeros(rows)
        flip = np.zeros(rows, bool) if decide is None else decide(one) != decide(other)
        for name in one:
            differences = _differences(one[name], other[name], scales.get(name))
            # All axes but the rows'; all there are, if it has no rows.
            axes = tuple(range(differences.shape[:1] == (rows,), differences.ndim))
            worst = differences.max(axis=axes, initial=0)
            if name in floating:
                change = np.maximum(change, worst)
                flip |= worst == np.inf
            else:
                flip |= worst > 0
        changes.append(change)
        flipped.append(flip)
    decided = decide is not None or len(floating) < len(reference[0])
    return Change(np.concatenate(changes), np.concatenate(flipped) if decided else None)


def measure_latency(runs: tuple[Run, Run], batch: Tensors) -> Ratio:
    """How long the second of two models takes for `batch` as a multiple of what the first takes.

    The two run in turns, so that whatever else the machine does slows down both.

    Raises:
        InvalidInput: `batch` does not fit the model.
    """
    for run in runs:
        run(batch)  # the first call is slower
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + _SECONDS
    while len(times[0]) < _FEWEST_CALLS or (len(times[0]) < _MOST_CALLS and time.perf_counter() < end):
        for which in (0, 1) if len(times[0]) % 2 else (1, 0):
            start = time.perf_counter()
            runs[which](batch)
            times[which].append(time.perf_counter() - start)
    low, median, high = np.percentile(np.divide(times[1], times[0]), [25, 50, 75])
    return Ratio(float(median), float(low), float(high))


def check_budget(change: Change, budget: Budget, precision: Precision) -> None:
    """Compare what was measured with the budget.

    Raises:
        BudgetExceeded: more labels change, or an output changes by more, than `budget` has.
    """
    advice = "allow more, or choose another precision" + (
        ", or calibrate on more rows" if precision == Precision.INT8 else ""
    )
    if change.flipped is not None and change.flips > budget.flips * change.rows:
        worst = int(np.where(change.flipped, change.changes, -1).argmax())
        raise BudgetExceeded(
            f"{precision} changes the decision on {change.flips} of {change.rows} rows "
            f"({change.flips / change.rows:.1%}), of which row {worst} of the data (from 0) changes most; "
            f"the budget is {budget.flips:.1%}: {advice}"
        )
    if not change.largest <= budget.change:
        raise BudgetExceeded(
            f"{precision} changes an output by {change.largest:.3g} in row {int(change.changes.argmax())} of the data "
            f"(from 0); the budget is {budget.change:.3g}: {advice}"
        )


def _rows(outputs: Tensors) -> int:
    first = next(iter(outputs.values()))
    return len(first) if first.ndim else 1


def _differences(one: npt.NDArray[Any], other: npt.NDArray[Any], scale: float | None) -> npt.NDArray[np.float64]:
    """The difference of each element as a fraction of `scale`; 1 for each that differs if `scale` is None."""
    if one.shape != other.shape:
        return np.array(np.inf)
    if scale is None:
        return np.asarray(one != other, np.float64)
    return distance(one, other) / scale
