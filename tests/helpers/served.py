"""The runtime's models as an application serves them."""

from collections.abc import Mapping

from paths import MODELS
from starlette.applications import Starlette

from edge_runtime import Predictor
from edge_runtime.serve import ServedModels, ServeLimits, create_app


def served(predictors: Mapping[str, Predictor], limits: ServeLimits | None = None) -> ServedModels:
    """Models of a server."""
    return ServedModels(predictors, limits)


def opened(*names: str) -> dict[str, Predictor]:
    """Models of tests/runtime/models."""
    return {name: Predictor(MODELS / f"{name}.onnx", device="cpu") for name in names}


def app_of(predictors: Mapping[str, Predictor], limits: ServeLimits | None = None) -> Starlette:
    """An application that serves `predictors`."""
    return create_app(served(predictors, limits))
