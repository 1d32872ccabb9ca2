"""Conformal prediction: intervals of values and sets of labels that hold the true one as often as was asked for.

Training scores held-out rows by how far the answer is from what is true. An interval, or a set, is all that has no
larger score than the row of a certain rank among them (split conformal prediction: Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005; Lei et al., Distribution-Free Predictive Inference for Regression, 2018;
of labels: Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers, 2019).
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from edge_runtime.contract.errors import InvalidInput

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Conformal:
    """The scores of held-out rows, at some of their ranks.

    Of a new row that is exchangeable with the held-out ones, the score is at most that of rank k among n with a
    probability of k / (n + 1) or more. It is a mean over all rows: of some kinds of rows it may hold less often.

    Attributes:
        rows: how many rows were held out.
        ranks: places among all scores in ascending order, counted from 1; ascending.
        scores: the score at each of these ranks. In regression it is the distance between the true and the predicted
            value, in the target's unit, or in units of the row's scale if there is one; of classes it is one minus the
            probability of the true label.
        scale: in regression, the name of an output of shape (batch, 1), which holds a positive number for each row, in
            the target's unit: the width of intervals is in proportion to it. None if they all have the same width.
    """

    rows: int
    ranks: tuple[int, ...]
    scores: tuple[float, ...]
    scale: str | None = None

    @property
    def largest_coverage(self) -> float:
        """The largest coverage that there is a score for: what so many rows allow, if the last rank is that of all."""
        return self.ranks[-1] / (self.rows + 1)

    def score_of(self, coverage: float) -> float:
        """The score of the lowest rank that gives a coverage of at least `coverage`.

        Raises:
            InvalidInput: it is not a number above 0, or it is larger than `largest_coverage`.
        """
        check_coverage(coverage)
        # Quotients of integers are rounded as the decimals are that people write.
        place = bisect_left([rank / (self.rows + 1) for rank in self.ranks], coverage)
        if place == len(self.ranks):
            largest = math.floor(10_000 * self.largest_coverage) / 10_000
            # Of many rows, training does not keep the scores of the last ranks.
            is_short = self.ranks[-1] == self.rows
            limit = f"the {self.rows:,} rows that training held out allow" if is_short else "the model has scores for"
            raise InvalidInput(f"a coverage of {coverage:g} is more than {limit}; the largest possible is {largest:g}")
        return self.scores[place]

    def interval(
        self, values: "npt.NDArray[Any]", coverage: float, scale: "npt.NDArray[Any] | None" = None
    ) -> "npt.NDArray[Any]":
        """The interval around each predicted value.

        Args:
            values: floating, shape (rows,).
            coverage: how often intervals hold the true value, above 0 and up to `largest_coverage`.
            scale: of each row, floating, shape (rows,); None if there is none.

        Returns:
            The lower and the upper bound, shape (rows, 2), of the type of `values`, rounded outwards; NaN around NaN.

        Raises:
            InvalidInput: see `score_of`.
        """
        # Help does not need it.
        import numpy as np

        half = self.score_of(coverage) * (1.0 if scale is None else scale.astype(np.float64))
        wide = values.astype(np.float64)
        exact = np.stack([wide - half, wide + half], axis=1)
        outwards = values.dtype.type([-np.inf, np.inf])
        with np.errstate(over="ignore"):
            bounds = exact.astype(values.dtype)
            is_inside = np.stack([bounds[:, 0] > exact[:, 0], bounds[:, 1] < exact[:, 1]], axis=1)
            return np.where(is_inside, np.nextafter(bounds, outwards), bounds)

    def label_sets(
        self, probabilities: "npt.NDArray[Any]", predicted: "npt.NDArray[Any]", coverage: float
    ) -> "tuple[npt.NDArray[Any], npt.NDArray[Any]]":
        """The prediction set of each row. The predicted label always is in it, so that no set is empty.

        Args:
            probabilities: of each label, floating, shape (rows, classes); a label whose probability is NaN is in.
            predicted: the place of each row's predicted label, integers, shape (rows,).
            coverage: how often sets hold the true label, above 0 and up to `largest_coverage`.

        Returns:
            The places of the labels, integers, those of one row after the other: the predicted one, then the others,
            the most probable first. And how many each row has, integers, shape (rows,).

        Raises:
            InvalidInput: see `score_of`.
        """
        import numpy as np

        rows = np.arange(len(probabilities))
        is_out = 1.0 - probabilities.astype(np.float64) > self.score_of(coverage)
        is_out[rows, predicted] = False
        # What is out comes last, and NaN counts as 0.
        keys = np.where(is_out, np.inf, -np.nan_to_num(probabilities))
        keys[rows, predicted] = -np.inf
        counts = (~is_out).sum(axis=1)
        ranked = keys.argsort(axis=1, kind="stable")
        return ranked[np.arange(probabilities.shape[1]) < counts[:, None]], counts


def check_coverage(coverage: Any) -> None:
    """Raise InvalidInput if `coverage` is not a number between 0 and 1, which no model allows."""
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise InvalidInput(f"coverage is a number between 0 and 1, such as 0.9, found {coverage!r}")


def read_conformal(plain: Mapping[str, Any], task: str) -> Conformal:
    """The scores in a document, as `plain_conformal` wrote them, of a model for `task`.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is not that; the message says why.
    """
    rows, ranks, scores, scale = plain["rows"], plain["ranks"], plain["scores"], plain.get("scale")
    if type(rows) is not int or not _is_list_of(ranks, int) or not _is_list_of(scores, int, float):
        raise TypeError("the ranks and scores of its intervals are not lists of numbers")
    if not ranks or list(ranks) != sorted(set(ranks)) or ranks[0] < 1 or ranks[-1] > rows or len(ranks) != len(scores):
        raise ValueError(f"the ranks of its intervals are not among {rows} rows, each with a score")
    if not all(map(math.isfinite, scores)) or list(scores) != sorted(scores) or scores[0] < 0:
        raise ValueError("the scores of its intervals do not ascend from 0")
    if scale is not None and (not isinstance(scale, str) or task != "regression"):
        raise TypeError("the scale of its intervals is not the name of an output of a regression")
    return Conformal(rows, tuple(ranks), tuple(map(float, scores)), scale)


def plain_conformal(conformal: Conformal) -> dict[str, Any]:
    """`conformal` in plain Python types, as documents have it."""
    plain = {"rows": conformal.rows, "ranks": list(conformal.ranks), "scores": list(conformal.scores)}
    return plain if conformal.scale is None else {**plain, "scale": conformal.scale}


def _is_list_of(plain: object, *types: type) -> bool:
    return isinstance(plain, Sequence) and {*map(type, plain)} <= {*types}
