"""Models of tables whose signature says what is typical of each column."""

from dataclasses import replace
from typing import Any

from certificates import appended
from paths import MODELS
from sales import DAY, ORIGIN

from edge_runtime import Predictor, Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY

BASELINES: dict[str, dict[str, Any]] = {
    "four_blobs": {"x1": 0.5, "x2": -0.75},
    "penguins": {"island": "Dream", "bill": 44.5, "mass": 4000.0, "ringed": False, "year": 2008},
    "islands": {"island": "", "year": 2008},
    "mass": {"bill": 44.5, "depth": ""},
    "sales": {"sold": ORIGIN + 100 * DAY, "price": 100.0, "new": True, "zip": "08001", "paid": ""},
}


def with_baseline(signature: Signature, baselines: dict[str, Any]) -> Signature:
    """`signature` with a baseline for each feature, by name."""
    inputs = (
        replace(one, features=tuple(replace(feature, baseline=baselines[feature.name]) for feature in one.features))
        for one in signature.inputs
    )
    return replace(signature, inputs=tuple(inputs))


def explained_model(name: str) -> bytes:
    """The content of one of the models in `BASELINES`."""
    path = MODELS / f"{name}.onnx"
    signature = with_baseline(Predictor(path, device="cpu").required_signature, BASELINES[name])
    return appended(path.read_bytes(), SIGNATURE_KEY, signature.to_json())
