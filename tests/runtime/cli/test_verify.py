"""edge-predict --verify, and what --describe says of the certificate."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import MODELS

from edge_runtime import ReferenceBatch
from edge_runtime.cli.command import main
from edge_runtime.engine.devices import cuda_driver_problem
from edge_runtime.engine.session import import_onnxruntime

Command = Callable[..., Any]


@pytest.fixture
def model(certified: Callable[..., bytes], tmp_path: Path) -> Callable[..., Path]:
    """A file with a certificate, with changes."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(certified(**changes))
        return path

    return write


@pytest.fixture
def wrong(reference: tuple[ReferenceBatch, ...]) -> tuple[ReferenceBatch, ...]:
    """Golden rows that outputs.onnx does not give."""
    expected = {**reference[0].expected, "y": reference[0].expected["y"] + np.float32(1)}
    return (dataclasses.replace(reference[0], expected=expected), *reference[1:])


def test_passed(command: Command, model: Callable[..., Path]) -> None:
    version = import_onnxruntime().__version__
    assert command(main, model(), "--verify", "--device", "cpu") == (
        0,
        f"""\
compared with torch                  rows  farthest  allowed  used
ordinary rows: y                        4   0.0e+00  1.5e-05    0%
ordinary rows: largest                  4   0.0e+00  0.0e+00    0%
ordinary rows: positive                 4   0.0e+00  0.0e+00    0%
rows with NaN or infinity: y            2   0.0e+00  1.5e-05    0%
rows with NaN or infinity: largest      2   0.0e+00  0.0e+00    0%
rows with NaN or infinity: positive     2   0.0e+00  0.0e+00    0%
provider  CPUExecutionProvider, ONNX Runtime {version} (1.99.0 at export)
file      as it was exported
passed: 6 reference rows on CPUExecutionProvider
""",
        "",
    )


def test_failed(command: Command, model: Callable[..., Path], wrong: Any) -> None:
    result = command(main, model(reference=wrong), "--verify", "--device", "cpu")
    assert result.code == 1
    assert "ordinary rows: y                        4   1.0e+00  1.5e-05  6553600%\n" in result.out
    assert "passed" not in result.out
    assert result.err == (
        "error: not verified on CPUExecutionProvider: "
        "ordinary rows: y[0, 0] is 2.5, but torch's is 3.5, with a tolerance of 1.5e-05\n"
    )


def test_changed_file(command: Command, model: Callable[..., Path]) -> None:
    path = model()
    path.write_bytes(path.read_bytes().replace(b"2**-16", b"2**-15"))
    result = command(main, path, "--verify", "--device", "cpu")
    assert result.code == 1
    assert "file      changed after its export\n" in result.out
    assert result.err == (
        "error: not verified on CPUExecutionProvider: "
        "the file was changed after its export, although its outputs on the reference rows are still within tolerance\n"
    )


def test_json(command: Command, model: Callable[..., Path], wrong: Any) -> None:
    passed = command(main, model(), "--verify", "--format", "json", "--device", "cpu")
    assert (passed.code, passed.err, passed.out.count("\n")) == (0, "", 1)
    report = json.loads(passed.out, parse_constant=pytest.fail)
    assert report["passed"]
    assert (report["rows"], report["problems"], len(report["checks"])) == (6, [], 6)
    assert report["intact"]
    assert report["signature_intact"]
    assert report["provider"] == "CPUExecutionProvider"
    assert (report["onnxruntime"], report["versions"]["onnxruntime"]) == (import_onnxruntime().__version__, "1.99.0")
    expected = {**wrong[0].expected, "largest": 1 - wrong[0].expected["largest"]}
    path = model(reference=(dataclasses.replace(wrong[0], expected=expected),))
    failed = command(main, path, "--verify", "--format", "json", "--device", "cpu")
    assert failed.code == 1
    assert failed.err.startswith("error: not verified")
    report = json.loads(failed.out, parse_constant=pytest.fail)
    assert not report["passed"]
    assert len(report["problems"]) == 2
    checks = {check["output"]: check for check in report["checks"]}
    assert checks["y"] == {
        "kind": "ordinary rows",
        "output": "y",
        "rows": 3,
        "error": 1,
        "tolerance": 2**-16,
        "tolerance_used": 2**16,
        "problem": "y[0, 0] is 2.5, but torch's is 3.5, with a tolerance of 1.5e-05",
        "passed": False,
    }
    assert (checks["largest"]["error"], checks["largest"]["tolerance_used"]) == (None, None)
    assert checks["positive"]["passed"]


def test_nothing_to_verify(command: Command) -> None:
    result = command(main, MODELS / "tensors.onnx", "--verify")
    assert (result.code, result.out) == (1, "")
    assert result.err == "error: the model has no certificate to verify it against; edge-export writes one\n"


def test_a_damaged_certificate(command: Command, model: Callable[..., Path]) -> None:
    path = model()
    path.write_bytes(path.read_bytes().replace(b'"dtype": "bool"', b'"dtype": "boot"'))
    for option in ("--verify", "--describe"):
        result = command(main, path, option)
        assert (result.code, result.out) == (1, "")
        assert result.err == "error: the certificate is damaged: an array has the unknown type 'boot'\n"
    path.write_bytes(model().read_bytes().replace(b'"schema_version": 1', b'"schema_version": 3'))
    result = command(main, path, "--verify")
    assert (result.code, result.out) == (1, "")
    assert "pip install --upgrade edge-predict" in result.err


def test_device(command: Command, model: Callable[..., Path]) -> None:
    if cuda_driver_problem() is None:
        assert "passed: 6 reference rows on CUDAExecutionProvider" in command(main, model(), "--verify").out
    else:
        result = command(main, model(), "--verify", "--device", "cuda")
        assert (result.code, result.out) == (1, "")
        assert "device 'cuda' cannot be used" in result.err


def test_describe(command: Command, model: Callable[..., Path]) -> None:
    budget = {"largest error": 0.01, "calibration rows": 512}
    text = command(main, model(precision="int8", budget=budget), "--describe", "--device", "cpu")
    assert text.code == 0
    assert text.out.endswith(
        f"""\
signature none: Predictor.run takes the inputs by name and gives the outputs by name
provider  CPUExecutionProvider
verified  int8, 6 reference rows of 2 kinds (see --verify)
tolerance each element may be off by 2**-16
version   onnxruntime 1.99.0
version   torch 2.13.0
sha256    checkpoint {64 * "c"}
budget    calibration rows 512
budget    largest error 0.01
"""
    )
    described = json.loads(command(main, model(budget=budget), "--describe", "--format", "json").out)
    certificate = described["certificate"]
    assert len(certificate.pop("content_sha256")) == 64
    assert certificate == {
        "schema_version": 1,
        "precision": "float32",
        "tolerance_rule": "each element may be off by 2**-16",
        "reference": [
            {"kind": "ordinary rows", "rows": 3},
            {"kind": "ordinary rows", "rows": 1},
            {"kind": "rows with NaN or infinity", "rows": 2},
        ],
        "comparisons": [{"kind": "ordinary rows", "rows": 1000, "tolerance_used": 0.25}],
        "budget": budget,
        "versions": {"torch": "2.13.0", "onnxruntime": "1.99.0"},
        "hashes": {"checkpoint": 64 * "c"},
        "signature_sha256": None,
    }


def test_describe_without_certificate(command: Command) -> None:
    text = command(main, MODELS / "tensors.onnx", "--describe").out
    assert text.endswith("verified  no: the model has no certificate\n")
    described = json.loads(command(main, MODELS / "tensors.onnx", "--describe", "--format", "json").out)
    assert described["certificate"] is None
    assert described["signature"] is None
