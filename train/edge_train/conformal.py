"""Intervals and prediction sets: the scores of held-out rows, and how often the true answer is in on other rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.conformal import Conformal
from edge_runtime.contract.signature import Signature

# As many rows as a coverage of 95 % needs.
FEWEST_ROWS = 19
# Where scores are kept, in thousandths, and where coverage is measured.
_COVERAGES = (*range(5, 1000, 5), *range(991, 1000))
_MEASURED = (0.5, 0.8, 0.9, 0.95)
_SHOWN = 0.9
# Scores are kept with six digits. So much they are increased, that neither rounding them nor computing an answer on
# another machine in float32 excludes a row that was within the bound.
_MARGIN = 1e-5


def conformal_scores(
    signature: Signature,
    answers: npt.NDArray[np.float64],
    target: npt.NDArray[Any],
    scale: npt.NDArray[np.float64] | None = None,
    scale_output: str | None = None,
    factor: float = 1.0,
) -> Conformal | None:
    """What intervals or prediction sets are made of, from rows that the network has not learned from.

    Of n rows, the score of rank ceil((n + 1) c) is kept for coverages c in steps of half a percent, and of a tenth of a
    percent above 99 %, as far as n allows: Lei et al., Distribution-Free Predictive Inference for Regression, 2018,
    section 2.2.

    Args:
        signature: the task.
        answers: as `answers` returns them: probabilities, shape (rows, classes), or values, shape (rows,).
        target: shape (rows,), as `Part.target`.
        scale: in regression, a positive number for each row, shape (rows,), in the target's unit, which the width of
            its interval is in proportion to; None if all intervals are of the same width.
        scale_output: the name of the output that holds it.
        factor: by which all scores are multiplied, see `HeldOut.factor`.

    Returns:
        None if there are fewer rows than `FEWEST_ROWS`, or an answer is not finite.
    """
    scores = _scores(signature, answers, target, scale)
    rows = len(scores)
    if rows < FEWEST_ROWS or not np.isfinite(scores).all():
        return None
    ascending = np.sort(scores) * (factor * (1 + _MARGIN))
    # Of integers: a product of floats may be rounded above the rank.
    ranks = sorted({-(-(rows + 1) * coverage // 1000) for coverage in _COVERAGES} & set(range(1, rows + 1)))
    return Conformal(rows, tuple(ranks), tuple(float(f"{ascending[rank - 1]:.6g}") for rank in ranks), scale_output)


def coverage_measures(
    signature: Signature,
    answers: npt.NDArray[np.float64],
    target: npt.NDArray[Any],
    scale: npt.NDArray[np.float64] | None = None,
) -> list[dict[str, float]]:
    """How often the intervals or sets of `signature.conformal` hold the true answer, on rows that made none of both.

    Args:
        signature: with `conformal`.
        answers: as `conformal_scores` takes them, of other rows.
        target: likewise.
        scale: likewise.

    Returns:
        For each of some coverages that are possible: the `coverage` that is asked for, the `empirical_coverage`, and
        the `mean_width` of the intervals in the target's unit, or of sets the `mean_size`.
    """
    found: list[dict[str, float]] = []
    assert signature.conformal is not None
    for coverage in _MEASURED:
        if coverage > signature.conformal.largest_coverage:
            continue
        if signature.labels:
            predicted = signature.predicted(answers)
            places, counts = signature.conformal.label_sets(answers, predicted, coverage)
            rows = np.repeat(np.arange(len(counts)), counts)
            is_in, size = places == target.astype(np.intp)[rows], {"mean_size": float(counts.mean())}
            held = int(is_in.sum()) / len(counts)
        else:
            lower, upper = signature.conformal.interval(answers, coverage, scale).T
            held = float(((lower <= target) & (target <= upper)).mean())
            size = {"mean_width": float((upper - lower).mean())}
        found.append({"coverage": coverage, "empirical_coverage": held, **size})
    return found


def coverage_line(signature: Signature, found: Sequence[Mapping[str, float]]) -> str:
    """What `coverage_measures` returns, for the terminal: of 90 %, or else of the largest coverage."""
    one = next((one for one in found if one["coverage"] == _SHOWN), found[-1])
    kind, size = ("prediction sets", "mean_size") if signature.labels else ("intervals", "mean_width")
    shown = f"{100 * one['coverage']:g}% {kind} hold {100 * one['empirical_coverage']:.1f}% of the true"
    return f"{shown} {'labels' if signature.labels else 'values'}, {size.replace('_', ' ')} {one[size]:.4g}"


def _scores(
    signature: Signature,
    answers: npt.NDArray[np.float64],
    target: npt.NDArray[Any],
    scale: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    """The score of each row, see `Conformal.scores`."""
    if signature.labels:
        return np.asarray(1 - answers[np.arange(len(answers)), target.astype(np.intp)], np.float64)
    distances = np.abs(target.astype(np.float64) - answers)
    return distances if scale is None else distances / scale
