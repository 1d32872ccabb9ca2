"""Rows on the decision boundary of a program, found by bisection in float64."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.tensors import Tensors, count_rows, join, take
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.sampler import Sampler
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.values import FLOAT32_MAX

# Pairs of rows that the boundary is searched for between, and rows that pairs are made of.
_MOST_PAIRS, _DRAWN_ROWS = 128, 512
# Halvings of the way between two rows: more than the bits of float64's significand.
_HALVINGS = 60
# Where on the way between two rows the points are, relative to the boundary: on it, and nearer and farther on both
# sides.
_STEPS = (0.0, *(sign * 10.0**-power for power in range(1, 8) for sign in (-1, 1)))


def decisions(program: Program, outputs: Tensors) -> npt.NDArray[np.int64] | None:
    """What `program` decides in each row, shape (rows, decisions): its label, else its integers and booleans.

    None if it decides nothing, or does not give a row for each row.
    """
    if (classifier := program.classifier) is not None:
        return classifier.predicted(outputs[classifier.output]).reshape(-1, 1)  # type: ignore[no-any-return]
    discrete = [values for values in outputs.values() if values.dtype.kind != "f" and values.ndim]
    if not discrete or len({len(values) for values in discrete}) > 1:
        return None
    return np.concatenate([values.reshape(len(values), -1).astype(np.int64) for values in discrete], axis=1)


def boundary_rows(sampler: Sampler, exact: Arithmetic) -> Tensors | None:
    """Rows where a decision of the program changes in float64, and on both sides of them, nearer and farther.

    None if the program decides nothing, decides the same on all rows that were drawn, or does not run on them.

    Args:
        sampler: draws the rows that the boundary is searched for between.
        exact: runs the program in float64.
    """
    moving = [name for name, known in sampler.distributions.items() if known.is_floating or known.holds_dates]
    program = sampler.program
    if not program.is_batched or not moving or decisions(program, program.run(program.example)) is None:
        return None
    rows = sampler.draw(max(2, min(_DRAWN_ROWS, sampler.most_rows)), width=2.0)
    if sampler.program.failure(rows) is not None or (found := _decide(sampler.program, exact, rows)) is None:
        return None
    pairs = _pairs(found)[: max(1, min(_MOST_PAIRS, sampler.most_rows // len(_STEPS)))]
    if not len(pairs):
        return None
    lines = _Lines.between(take(rows, pairs[:, 0]), take(rows, pairs[:, 1]), moving)
    start = _decide(sampler.program, exact, lines.start)

    def differs(fractions: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Whether the points at these places are decided otherwise than the starts of their lines."""
        there = _decide(sampler.program, exact, lines.at(fractions, np.float64))
        assert there is not None
        assert start is not None
        return (there != start).any(axis=1)  # type: ignore[no-any-return]

    low, high = np.zeros(len(pairs)), np.ones(len(pairs))
    # Inputs that are not numbers stay those of the start, so that the end may be decided as the start is.
    apart = differs(high)
    if not apart.any():
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beyond = differs(middle)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return join([take(lines.at(high + step), np.flatnonzero(apart)) for step in _STEPS])


@dataclass(frozen=True)
class _Lines:
    """Straight lines from rows to other rows, in the inputs of numbers and dates alone.

    Attributes:
        start: the rows that they start from.
        ends: for each of these inputs, both ends in float64, which holds every second of the calendar.
    """

    start: Tensors
    ends: dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]

    @classmethod
    def between(cls, start: Tensors, end: Tensors, moving: list[str]) -> "_Lines":
        """A missing value stays the one of the start: nothing lies between a missing value and another."""
        ends = {}
        for name in moving:
            first, last = start[name], end[name]
            is_missing = (first == MISSING_DATE) | (last == MISSING_DATE) if first.dtype.kind == "i" else np.isnan(last)
            ends[name] = first.astype(np.float64), np.where(is_missing, first, last).astype(np.float64)
        return cls(start, ends)

    def at(self, fractions: npt.NDArray[np.float64], kind: type[np.floating] | None = None) -> Tensors:
        """The points at these fractions of the way, shape (lines,), in numbers of the type `kind`, or of their own.

        Dates are whole seconds.
        """
        points = dict(self.start)
        for name, (start, end) in self.ends.items():
            fraction = fractions.reshape(-1, *[1] * (start.ndim - 1))
            point, dtype = start + fraction * (end - start), self.start[name].dtype
            if dtype.kind == "f":
                points[name] = point.clip(-FLOAT32_MAX, FLOAT32_MAX).astype(dtype if kind is None else kind)
            else:
                points[name] = np.rint(point).astype(dtype)
        return points


def _decide(program: Program, exact: Arithmetic, rows: Tensors) -> npt.NDArray[np.int64] | None:
    """The decisions on `rows` in float64; None if there is not one for each row."""
    found = decisions(program, exact.run(rows))
    return found if found is not None and len(found) == count_rows(rows) else None


def _pairs(found: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Pairs of rows with different decisions, shape (pairs, 2): each row with the next one that differs from it."""
    pairs = []
    for row in range(len(found)):
        others = np.flatnonzero((found != found[row]).any(axis=1))
        if len(others):
            pairs.append((row, others[np.searchsorted(others, row) % len(others)]))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)
