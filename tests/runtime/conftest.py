"""Models of tables, and certified models, made without torch or onnx: numpy plays torch, and metadata is appended."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from certificates import OUTPUTS, appended, reference_batch
from paths import MODELS

from edge_runtime import Certificate, Predictor, ReferenceBatch
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY

# What reads and scores whole tables needs pyarrow, which the wheel is tested without too.
collect_ignore = [] if importlib.util.find_spec("pyarrow") else ["scoring", "tables"]


@pytest.fixture(scope="session")
def reference() -> tuple[ReferenceBatch, ...]:
    return (
        reference_batch("ordinary rows", [[1, 2], [-3, 0.5], [0, 0]]),
        reference_batch("ordinary rows", [[7, -7]]),
        reference_batch("rows with NaN or infinity", [[np.nan, 1], [np.inf, np.inf]]),
    )


@pytest.fixture(scope="session")
def certificate(reference: tuple[ReferenceBatch, ...]) -> Callable[..., Certificate]:
    """A certificate of outputs.onnx, with changes: certificate(tolerance_rule="elsewhere")."""

    def make(**changes: Any) -> Certificate:
        fields: dict[str, Any] = {
            "precision": "float32",
            "tolerance_rule": "each element may be off by 2**-16",
            "reference": reference,
            "comparisons": ({"kind": "ordinary rows", "rows": 1000, "tolerance_used": 0.25},),
            "budget": None,
            "versions": {"torch": "2.13.0", "onnxruntime": "1.99.0"},
            "hashes": {"checkpoint": "c" * 64},
            "signature_sha256": None,
        }
        return Certificate(**{**fields, **changes})

    return make


@pytest.fixture(scope="session")
def with_metadata() -> Callable[[bytes, str, str], bytes]:
    return appended


@pytest.fixture(scope="session")
def certified(certificate: Callable[..., Certificate]) -> Callable[..., bytes]:
    """A sealed model that carries `certificate(**changes)`: outputs.onnx if no other content is given."""

    def make(content: bytes = OUTPUTS.read_bytes(), **changes: Any) -> bytes:
        return seal(appended(content, CERTIFICATE_KEY, certificate(**changes).to_json()))

    return make


@pytest.fixture(scope="module")
def penguins() -> Predictor:
    return Predictor(MODELS / "penguins.onnx", device="cpu")


@pytest.fixture(scope="module")
def islands() -> Predictor:
    return Predictor(MODELS / "islands.onnx", device="cpu")


@pytest.fixture(scope="module")
def mass() -> Predictor:
    return Predictor(MODELS / "mass.onnx", device="cpu")
