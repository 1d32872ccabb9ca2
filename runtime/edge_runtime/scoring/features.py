"""The features of a model that is given: none, if it has no named ones."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.contract.signature import Feature
    from edge_runtime.predictor import Predictor


def features_of(predictor: "Predictor") -> "tuple[Feature, ...]":
    """The features of a model, in the order of a row's values; none if it has no named features."""
    signature = predictor.signature
    return signature.features if signature is not None and signature.has_features else ()
