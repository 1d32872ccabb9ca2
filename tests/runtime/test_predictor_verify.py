"""`Predictor.verify`: the certificate of a file, a content, and on two devices."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_onnxruntime
import pytest
from certificates import OUTPUTS, appended, changed
from paths import MODELS

from edge_runtime import InvalidModel, NoCertificate, Predictor, ReferenceBatch, VerificationFailed
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, WORKLOAD_KEY
from edge_runtime.contract.workload import Workload

Reference = tuple[ReferenceBatch, ...]
Make = Callable[..., bytes]


def test_no_certificate() -> None:
    predictor = Predictor(MODELS / "tensors.onnx", device="cpu")
    assert predictor.certificate is None
    with pytest.raises(NoCertificate, match="has no certificate"):
        predictor.verify()
    with pytest.raises(NoCertificate):
        Predictor(MODELS / "tensors.onnx", verify=True)


def test_a_certificate_that_cannot_be_read(certified: Make, with_metadata: Callable[[bytes, str, str], bytes]) -> None:
    newer = certified().replace(b'"schema_version": 1', b'"schema_version": 4')
    damaged = certified().replace(b'"dtype": "bool"', b'"dtype": "boot"')
    no_json = with_metadata((MODELS / "tensors.onnx").read_bytes(), CERTIFICATE_KEY, "{")
    for content, message in ((newer, "upgrade"), (damaged, "is damaged"), (no_json, "is damaged")):
        # To predict, it need not be read.
        predictor = Predictor(content, device="cpu")
        with pytest.raises(InvalidModel, match=message):
            predictor.verify()
        with pytest.raises(InvalidModel, match=message):
            Predictor(content, verify=True)


def test_verify_on_opening(certified: Make, reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(certified())
    predictor = Predictor(path, "cpu", verify=True)
    assert predictor.run({"x": [[1, 2]]})["y"].tolist() == [[2.5, -2.5]]
    again = pickle.dumps(predictor)
    assert pickle.loads(again).verify().passed
    wrong = certified(reference=changed(reference, "expected", "y", slice(None), 100))
    path.write_bytes(wrong)
    assert not Predictor(path, "cpu").verify().passed
    message = (
        r"^not verified on CPUExecutionProvider: "
        r"ordinary rows: y\[1, 0\] is -7.5, but torch's is 100\.0, with a tolerance"
    )
    for model in (path, wrong):
        with pytest.raises(VerificationFailed, match=message):
            Predictor(model, "cpu", verify=True)
    with pytest.raises(RuntimeError):  # for those who know nothing of this package
        Predictor(path, "cpu", verify=True)
    path.write_bytes(certified())
    assert pickle.loads(again).verified


def test_from_a_path(certified: Make, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(certified())
    predictor = Predictor(path, device="cpu")
    assert predictor.verify().passed
    # What counts is what was opened.
    path.write_bytes(certified(tolerance_rule="another export"))
    assert predictor.verify().passed
    path.unlink()
    assert predictor.verify().passed


def test_the_certificate(certified: Make) -> None:
    certificate = Predictor(certified(), device="cpu").certificate
    assert certificate
    assert certificate.rows == 6
    assert certificate.reference[0].expected["y"].tolist() == [[2.5, -2.5], [-7.5, -0.625], [0, 0]]


def test_each_batch_is_told(certified: Make, reference: Reference) -> None:
    told: list[int] = []
    predictor = Predictor(certified(), device="cpu")
    assert predictor.verify(lambda: told.append(1)).passed
    assert len(told) == len(reference)


def test_in_words(certified: Make, reference: Reference) -> None:
    predictor = Predictor(certified(), device="cpu")
    assert repr(predictor.verify()) == "Verification(passed: 6 reference rows on CPUExecutionProvider)"
    assert repr(predictor.certificate) == "Certificate(float32, 6 reference rows of 2 kinds)"
    assert repr(reference[0]) == "ReferenceBatch('ordinary rows', 3 rows)"
    failed = Predictor(certified(reference=changed(reference, "expected", "y", (0, 0), 3)), device="cpu").verify()
    problem = failed.problems[0]
    assert repr(failed) == f"Verification(not passed on CPUExecutionProvider: {problem})"
    several = dataclasses.replace(failed, problems=("one", "two", "three"))
    assert repr(several) == "Verification(not passed on CPUExecutionProvider: one; and 2 more)"
    good, bad = predictor.verify().checks[0], failed.checks[0]
    assert repr(good) == "Check('ordinary rows', 'y', 4 rows, passed at 0% of its tolerance)"
    assert repr(bad) == f"Check('ordinary rows', 'y', 4 rows, failed: {bad.problem})"


def test_both_devices_are_verified(certified: Make, reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """With device="auto", where large calls may run on CUDA."""
    fake = fake_onnxruntime.install(monkeypatch, "comes up")
    content = with_workload(certified)
    told: list[int] = []
    verification = Predictor(content).verify(lambda: told.append(1))
    assert (verification.provider, verification.passed) == ("CUDAExecutionProvider", True)
    assert len(told) == 2 * len(reference)
    fake.problem = RuntimeError("an illegal memory access")
    verification = Predictor(content).verify()
    assert (verification.provider, verification.passed) == ("CUDAExecutionProvider", False)
    assert "ONNX Runtime failed on the model: an illegal memory access" in verification.failure
    # What fails on the CPU is not tried on CUDA.
    fake.options = {}
    wrong = with_workload(certified, reference=changed(reference, "expected", "y", (0, 0), 3))
    verification = Predictor(wrong).verify()
    assert (verification.provider, verification.passed, fake.options) == ("CPUExecutionProvider", False, {})


def with_workload(certified: Make, **changes: Any) -> bytes:
    workload = Workload(independent=True, cost=1e6, bytes=40)
    content = appended(OUTPUTS.read_bytes(), WORKLOAD_KEY, workload.to_json())
    return certified(content, **changes)


def test_it_says_whether_it_was_verified_when_it_was_opened(certified: Make, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(certified())
    verified, unverified = Predictor(path, "cpu", verify=True), Predictor(path, "cpu")
    assert (verified.verified, unverified.verified) == (True, False)
    path.write_bytes(certified(tolerance_rule="changed"))
    assert verified.reload()
    assert verified.verified
