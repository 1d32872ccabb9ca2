"""--verify: the result of a replay."""

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
from edge_runtime.engine.installation import import_onnxruntime

THREE_LABELS = MODELS / "three_labels.onnx"

Command = Callable[..., Any]


@pytest.fixture
def wrong(reference: tuple[ReferenceBatch, ...]) -> tuple[ReferenceBatch, ...]:
    """Reference rows with other outputs than those of outputs.onnx."""
    expected = {**reference[0].expected, "y": reference[0].expected["y"] + np.float32(1)}
    return (dataclasses.replace(reference[0], expected=expected), *reference[1:])


def test_passed(command: Command, model: Callable[..., Path]) -> None:
    version = import_onnxruntime().__version__
    assert command(main, model(), "--verify", "--device", "cpu") == (
        0,
        f"""\
compared with torch                  rows  largest error  tolerance  tolerance used
ordinary rows: y                        4        0.0e+00    1.5e-05              0%
ordinary rows: largest                  4        0.0e+00    0.0e+00              0%
ordinary rows: positive                 4        0.0e+00    0.0e+00              0%
rows with NaN or infinity: y            2        0.0e+00    1.5e-05              0%
rows with NaN or infinity: largest      2        0.0e+00    0.0e+00              0%
rows with NaN or infinity: positive     2        0.0e+00    0.0e+00              0%
provider  CPUExecutionProvider, ONNX Runtime {version} (1.99.0 at export)
file      as it was exported
passed: 6 reference rows on CPUExecutionProvider
""",
        "",
    )


def test_failed(command: Command, model: Callable[..., Path], wrong: Any) -> None:
    result = command(main, model(reference=wrong), "--verify", "--device", "cpu")
    assert result.code == 1
    assert "ordinary rows: y                        4        1.0e+00    1.5e-05        6553600%\n" in result.out
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
    problem = "the certificate is damaged: an array has the unknown type 'boot'"
    assert command(main, path, "--verify") == (1, "", f"error: {problem}\n")
    assert f"verified  unknown: {problem}\n" in command(main, path, "--describe").out
    path.write_bytes(model().read_bytes().replace(b'"schema_version": 1', b'"schema_version": 4'))
    result = command(main, path, "--verify")
    assert (result.code, result.out) == (1, "")
    assert "pip install --upgrade edge-predict" in result.err
    # The model itself can be used.
    described = command(main, path, "--describe", "--details")
    assert (described.code, described.err) == (0, "")
    problem = result.err.removeprefix("error: ")
    assert f"provider  CPUExecutionProvider\nverified  unknown: {problem}" in described.out
    as_json = json.loads(command(main, path, "--describe", "--format", "json").out)
    assert as_json["provider"] == "CPUExecutionProvider"
    assert (as_json["certificate"], as_json["certificate_problem"]) == (None, problem.rstrip("\n"))


def test_device(command: Command, model: Callable[..., Path]) -> None:
    if cuda_driver_problem() is None:
        assert "passed: 6 reference rows on CUDAExecutionProvider" in command(main, model(), "--verify").out
    else:
        result = command(main, model(), "--verify", "--device", "cuda")
        assert (result.code, result.out) == (1, "")
        assert "device 'cuda' cannot be used" in result.err


def test_one_output_is_not_named(command: Command, tmp_path: Path, certified: Callable[..., bytes]) -> None:
    path = tmp_path / "model.onnx"
    y = np.array([[0.5, 0.25, 0.25]], np.float32)
    batch = ReferenceBatch("rows", {"x": y[:, :2]}, {"probabilities": y}, {"probabilities": y})
    path.write_bytes(certified(THREE_LABELS.read_bytes(), reference=(batch,), versions={}))
    result = command(main, path, "--verify", "--device", "cpu")
    assert "\nrows " in result.out
    assert "(unknown at export)" in result.out
