"""A service of BentoML with one worker."""

import importlib
import os
from typing import Any

import numpy as np
import onnxruntime

# By name, since it is in an environment of its own.
bentoml: Any = importlib.import_module("bentoml")


class Blobs:
    """The example's network."""

    def __init__(self) -> None:
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"])

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The probability of the second label, shape (rows, 1)."""
        (probability,) = self.session.run(None, {"x": rows.astype(np.float32)})
        found: np.ndarray[Any, Any] = probability
        return found


service = bentoml.service(workers=1)(Blobs)
