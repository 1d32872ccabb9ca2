"""`ExplainingPredictor`: a predictor that says how much each column contributes to an answer."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from edge_runtime.answering import Answering

if TYPE_CHECKING:
    from edge_runtime.explanation import Explanation


class ExplainingPredictor(ABC):
    """A predictor whose answers are explained; see `explanation`."""

    @property
    @abstractmethod
    def answering(self) -> Answering:
        """How rows are read and answered. Raises NoSignature if the model does not say what they mean."""

    def explain(self, row: Any, label: Any = None) -> "Explanation":
        """How much each column contributes to the answer to one row, against a row of values typical in training.

        A contribution is a Shapley value in the unit of the answer: the probability of a label, or a regression's
        value. All are exact if no more than 14 columns are not typical; if more are, they come with standard errors,
        and are the same in each call. Either way they add up to the answer less that to the typical row.

        Args:
            row: one row, as `predict` takes it.
            label: the label whose probability is explained; by default the one that is predicted.

        Raises:
            NoBaseline: the model does not say what is typical: it was trained by an older version, or elsewhere.
            InvalidInput: as `predict`; or there are several rows, or no such label.
            NoFeatures, NoSignature: as `unseen`.
        """
        # Most programs do not ask.
        from edge_runtime.explanation import explained

        answering = self.answering
        return explained(answering, answering.row_reader.tensors(row), label)
