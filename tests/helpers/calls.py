"""All that a predictor of two numbers is asked."""

from collections.abc import Callable
from typing import Any

from edge_runtime import Predictor

ROWS = [[-1.0, 1.0], [1.0, 1.0], [0.25, -3.5]]
CALLS: dict[str, Callable[[Predictor], Any]] = {
    "predict_one": lambda predictor: predictor.predict_one(ROWS[0]),
    "predict": lambda predictor: predictor.predict(ROWS).tolist(),
    "predict_proba": lambda predictor: predictor.predict_proba(ROWS).tolist(),
    "unseen": lambda predictor: predictor.unseen(ROWS),
    "run": lambda predictor: {name: value.tolist() for name, value in predictor.run({"x": ROWS}).items()},
    "classes_": lambda predictor: predictor.classes_.tolist(),
    "certificate": lambda predictor: str(predictor.certificate),
}


def answers(predictor: Predictor) -> dict[str, Any]:
    return {name: call(predictor) for name, call in CALLS.items()}
