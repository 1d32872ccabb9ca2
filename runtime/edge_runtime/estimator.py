"""`FittedEstimator`: what scikit-learn asks a fitted estimator beside predictions. It is imported only if it asks."""

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import CannotFit, InvalidInput, NoFeatures
from edge_runtime.contract.signature import Signature
from edge_runtime.rows.arrays import as_array, reading

if TYPE_CHECKING:
    from sklearn.utils import Tags


class FittedEstimator(ABC):
    """A model that scikit-learn takes for a fitted classifier or regressor, wherever it does not fit it.

    Attributes that a model does not have raise errors that are also AttributeErrors, so that `hasattr` is false.
    """

    signature: Signature | None

    @abstractmethod
    def predict(self, rows: Any) -> npt.NDArray[Any]:
        """The labels or values of `rows`, shape (rows,)."""

    @property
    @abstractmethod
    def required_signature(self) -> Signature:
        """`signature`, or NoSignature is raised."""

    @property
    def n_features_in_(self) -> int:
        """The number of values in a row.

        Raises:
            NoFeatures: the model takes tensors.
            NoSignature: the model does not say what its inputs mean.
        """
        return len(self.feature_names_in_)

    @property
    def feature_names_in_(self) -> npt.NDArray[np.object_]:
        """The names of a row's values in their order, strings, shape (features,).

        Raises:
            NoFeatures, NoSignature: as `n_features_in_`.
        """
        signature = self.required_signature
        if not signature.has_features:
            raise NoFeatures("the model takes tensors, which have no named features")
        return np.array([feature.name for feature in signature.features], np.object_)

    def score(self, rows: Any, y: Any, sample_weight: Any = None) -> float:
        """How good the answers to `rows` are.

        Args:
            rows: as `predict`; one row at least.
            y: the right labels or values, shape (rows,).
            sample_weight: how much each row counts, shape (rows,); by default all count the same.

        Returns:
            The accuracy, from 0 to 1; in regression the coefficient of determination R², 1 at best.

        Raises:
            InvalidInput: there are not as many answers as rows, or they cannot be compared with the labels.
            NoSignature: the model does not say what its outputs mean.
        """
        return _score(self.predict(rows), y, sample_weight, self.required_signature.task == "regression")

    def fit(self, rows: Any, y: Any = None, **parameters: Any) -> NoReturn:
        """Raise CannotFit: the model is fitted, and stays as it is.

        scikit-learn's FrozenEstimator takes a predictor to where it would be fitted.
        """
        raise CannotFit(
            "a Predictor is fitted already, and cannot be fitted again; "
            "give scikit-learn sklearn.frozen.FrozenEstimator(predictor) where it fits"
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """No parameters: there are none that could be searched."""
        return {}

    def set_params(self, **parameters: Any) -> Self:
        """This predictor, if there is nothing to set.

        Raises:
            InvalidInput: there is.
        """
        if parameters:
            raise InvalidInput(
                f"a Predictor has no parameter {next(iter(parameters))}; open the model anew to change it"
            )
        return self

    @property
    def _estimator_type(self) -> str:
        return "regressor" if self.required_signature.task == "regression" else "classifier"

    def __sklearn_is_fitted__(self) -> bool:
        return self.signature is not None

    def __sklearn_clone__(self) -> Self:
        return self

    def __sklearn_tags__(self) -> "Tags":
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        signature = self.required_signature
        labels, is_regression = list(signature.labels), signature.task == "regression"
        if labels != sorted(labels):
            warnings.warn(
                "scikit-learn takes labels to be sorted, and these are not: roc_auc_score, log_loss and soft voting "
                "mistake one for another; sort the columns of predict_proba by numpy.argsort(predictor.classes_)",
                stacklevel=2,
            )
        kinds = {feature.kind for feature in signature.features}
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=False),
            classifier_tags=None if is_regression else ClassifierTags(multi_class=len(labels) > 2),
            regressor_tags=RegressorTags() if is_regression else None,
            input_tags=InputTags(
                two_d_array=signature.has_features,
                string=bool(kinds & {"categorical", "date"}),
                categorical="categorical" in kinds,
                allow_nan=any(feature.missing is not None for feature in signature.features),
            ),
            requires_fit=False,
        )


# What is passed is somebody's: its own methods may raise anything when it is compared.
@reading
def _score(predicted: npt.NDArray[Any], y: Any, sample_weight: Any, is_regression: bool) -> float:
    expected = _of_rows(y, "y", len(predicted))
    weights = (
        np.ones(len(predicted)) if sample_weight is None else _of_rows(sample_weight, "sample_weight", len(predicted))
    )
    try:
        if is_regression:
            return _determination(predicted.astype(np.float64), expected.astype(np.float64), weights)
        if isinstance(predicted[0], str) == isinstance(expected[0], str):
            return float(np.average(predicted == expected, weights=weights))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InvalidInput(f"y or sample_weight: {error}") from error
    raise InvalidInput(
        f"y: {expected.tolist()[0]!r} cannot be a label; the labels are such as {predicted.tolist()[0]!r}"
    )


def _of_rows(values: Any, name: str, rows: int) -> npt.NDArray[Any]:
    array = as_array(values, name)
    if array.shape == (rows, 1):
        # A data frame of one column; scikit-learn takes it too.
        array = array[:, 0]
    if array.shape != (rows,):
        raise InvalidInput(f"{name} must have one value for each of {rows} rows, found shape {list(array.shape)}")
    if not rows:
        raise InvalidInput("there are no rows to score")
    return array


def _determination(
    predicted: npt.NDArray[np.float64], expected: npt.NDArray[np.float64], weights: npt.NDArray[Any]
) -> float:
    residual = float(np.average((expected - predicted) ** 2, weights=weights))
    total = float(np.average((expected - np.average(expected, weights=weights)) ** 2, weights=weights))
    # As scikit-learn has it: where all values are the same, 1 if all are met.
    return 1 - residual / total if total else float(not residual)
