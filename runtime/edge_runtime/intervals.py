"""Intervals around values and sets of labels that hold the true one as often as was asked for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.answering import Answering
from edge_runtime.contract.conformal import check_coverage
from edge_runtime.contract.errors import NoIntervals
from edge_runtime.contract.labels import Label
from edge_runtime.rows.arrays import holds_no_rows


class Intervals:
    """Answers rows, each with an interval around its value or a prediction set of labels."""

    def __init__(self, answering: Answering, coverage: float) -> None:
        """Answer with `answering`.

        Args:
            answering: how the model answers rows.
            coverage: how often the true value or label is in, above 0 and below 1.

        Raises:
            NoIntervals: the model does not carry what they are made of.
            InvalidInput: `coverage` is not such a number, or larger than so many rows as training held out allow.
        """
        check_coverage(coverage)
        if answering.signature.conformal is None:
            raise NoIntervals(
                "the model has neither intervals nor prediction sets: too few rows were held out in training, or "
                "another program trained it; train it again with edge-train and more rows"
            )
        self._conformal, self._coverage = answering.signature.conformal, coverage
        self._conformal.score_of(coverage)
        self._answering = answering

    def of(self, feed: Mapping[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], Any]:
        """The answers to `feed`.

        Args:
            feed: as `Answering.outputs_of` takes it.

        Returns:
            The outputs, as `Answering.outputs_of` returns them; and what `Conformal.interval` or, of labels,
            `Conformal.label_sets` returns for them.
        """
        if self._conformal.scale is None:
            return self._with_intervals(self._answering.outputs_of(feed), None)
        outputs, scale = self._answering.outputs_beside(feed, self._conformal.scale)
        return self._with_intervals(outputs, scale[:, 0])

    def of_rows(self, rows: Any) -> tuple[npt.NDArray[Any], Any]:
        """The answers to `rows`, in any form that `Predictor.predict` takes. Returns: as `of`."""
        if self._conformal.scale is None or holds_no_rows(rows):
            return self._with_intervals(self._answering.outputs(rows), None)
        return self.of(self._answering.reader.tensors(rows))

    def _with_intervals(
        self, outputs: npt.NDArray[Any], scale: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], Any]:
        signature = self._answering.signature
        if signature.labels:
            return outputs, self._conformal.label_sets(outputs, signature.predicted(outputs), self._coverage)
        return outputs, self._conformal.interval(outputs[:, 0], self._coverage, scale)


class ConformalPredictor(ABC):
    """A model that gives intervals or prediction sets by conformal prediction."""

    @property
    @abstractmethod
    def answering(self) -> Answering:
        """How rows are read and answered."""

    def predict_interval(self, rows: Any, coverage: float = 0.9) -> npt.NDArray[np.floating[Any]]:
        """Intervals around the values of a regression: a fraction of `coverage` of them holds the true value.

        That is so on average over rows that are drawn like those of training (`edge_runtime.contract.conformal`).

        Args:
            rows: as `Predictor.predict`.
            coverage: above 0 and below 1; the more rows training held out, the closer to 1 it may be.

        Returns:
            The lower and the upper bound in the target's own unit, shape (rows, 2), of the model's floating type; NaN
            if the value is NaN.

        Raises:
            NoIntervals: the model predicts labels, or carries no intervals: training held out too few rows.
            InvalidInput: as `Predictor.predict`; or a coverage is not possible, and the message says which is.
            NoSignature: the model does not say what its outputs mean.
        """
        answering = self.answering
        if answering.signature.labels:
            raise NoIntervals("the model predicts labels, which have no intervals; predict_set returns sets of them")
        bounds: npt.NDArray[np.floating[Any]] = Intervals(answering, coverage).of_rows(rows)[1]
        return bounds

    def predict_set(self, rows: Any, coverage: float = 0.9) -> list[tuple[Any, ...]]:
        """Prediction sets of labels: a fraction of at least `coverage` of them holds the true label.

        That is so on average over rows that are drawn like those of training (`edge_runtime.contract.conformal`).

        Args:
            rows: as `Predictor.predict`.
            coverage: as `predict_interval`.

        Returns:
            For each row its labels: the one that `predict` returns, then others, the most probable first.

        Raises:
            NoIntervals: the model is a regression, or carries no prediction sets: training held out too few rows.
            InvalidInput, NoSignature: as `predict_interval`.
        """
        answering = self.answering
        labels = answering.signature.labels
        if not labels:
            raise NoIntervals("the model is a regression, without labels; predict_interval returns intervals")
        return labels_of(labels, *Intervals(answering, coverage).of_rows(rows)[1])


def labels_of(
    labels: Sequence[Label], places: npt.NDArray[np.integer[Any]], counts: npt.NDArray[np.integer[Any]]
) -> list[tuple[Label, ...]]:
    """The labels in each row's set, from what `Conformal.label_sets` returns."""
    found = iter(places.tolist())
    return [tuple(labels[next(found)] for _ in range(count)) for count in counts.tolist()]
