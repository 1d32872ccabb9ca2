"""The small models of the runtime's tests, as seeds: whole, and what is in their metadata."""

import contextlib
import functools

import numpy as np
from certificates import OUTPUTS, appended, reference_batch
from paths import MODELS

from edge_runtime import Certificate, EdgePredictError, Predictor, ReferenceBatch
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, WORKLOAD_KEY
from edge_runtime.contract.reference_arrays import Generated, Selected
from edge_runtime.contract.workload import Workload


def named(*names: str) -> list[bytes]:
    """Models by their names without .onnx."""
    return [(MODELS / f"{name}.onnx").read_bytes() for name in names]


@functools.cache
def metadata_of_models(key: str) -> list[str]:
    """What the models have in their metadata under `key`."""
    found = []
    for path in sorted(MODELS.glob("*.onnx")):
        # Some need a newer ONNX Runtime, or a library of operators.
        with contextlib.suppress(EdgePredictError):
            custom = Predictor(path, device="cpu").metadata.custom
            found += [custom[key]] if key in custom else []
    return found or [Workload(True, 12.5, 40).to_json()] * (key == WORKLOAD_KEY)


@functools.cache
def certificate_texts() -> list[str]:
    """Certificates of outputs.onnx of each schema version, and one of a model of strings."""
    plain = (reference_batch("ordinary rows", [[1, 2], [-3, 0.5]]), reference_batch("rows with NaN", [[np.nan, 1]]))
    found = [_certificate(plain).to_json()]
    generated = Generated(7, -1.0, 0.5, 5)
    x = generated.array((4, 2), np.dtype(np.float32))
    rows = reference_batch("generated rows", x.tolist())
    found.append(
        _certificate(
            (
                ReferenceBatch(
                    "generated rows",
                    {"x": x},
                    {**rows.expected, "y": rows.expected["y"].ravel()[:3]},
                    {**rows.tolerance, "y": rows.tolerance["y"].ravel()[:3]},
                    {"x": generated},
                    {"y": Selected((4, 2), 1)},
                ),
            )
        ).to_json()
    )
    words = np.array([["Biscoe"], [""]], object)
    one = np.zeros((2, 1), np.float32)
    found.append(_certificate((ReferenceBatch("strings", {"text": words}, {"value": one}, {"value": one}),)).to_json())
    return found


def certified() -> list[bytes]:
    """outputs.onnx with certificates, sealed."""
    return [seal(appended(OUTPUTS.read_bytes(), CERTIFICATE_KEY, text)) for text in certificate_texts()[:2]]


def _certificate(reference: tuple[ReferenceBatch, ...]) -> Certificate:
    return Certificate(
        precision="float32",
        tolerance_rule="each element may be off by 2**-16",
        reference=reference,
        comparisons=({"kind": "ordinary rows", "rows": 1000, "tolerance_used": 0.25},),
        budget=None,
        versions={"torch": "2.13.0", "onnxruntime": "1.32.0"},
        hashes={"checkpoint": "c" * 64},
        signature_sha256=None,
    )
