"""--describe and --verify."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
from paths import MODELS

from edge_runtime import ReferenceBatch
from edge_runtime.cli.command import main
from edge_runtime.engine.devices import cuda_driver_problem
from edge_runtime.engine.session import import_onnxruntime

MODEL, PENGUINS, ISLANDS, MASS, THREE_LABELS = (
    MODELS / f"{name}.onnx" for name in ("four_blobs", "penguins", "islands", "mass", "three_labels")
)

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
    summary = """\
input     x: float32 [batch, 2]
output    y: float32 [batch, 2]
output    largest: int64 [batch]
output    positive: bool [batch, 2]
signature none; Predictor.run takes and returns tensors by name
provider  CPUExecutionProvider
verified  int8, 6 reference rows of 2 kinds (see --verify)
"""
    details = f"""\
tolerance each element may be off by 2**-16
version   onnxruntime 1.99.0
version   torch 2.13.0
sha256    checkpoint {64 * "c"}
budget    calibration rows 512
budget    largest error 0.01
"""
    path = model(precision="int8", budget=budget)
    assert command(main, path, "--describe", "--device", "cpu") == (0, summary, "")
    assert command(main, path, "--describe", "--details", "--device", "cpu") == (0, summary + details, "")
    assert details.partition("budget")[0] in command(main, model(), "--describe", "--details").out
    # JSON is complete with and without --details.
    as_json = command(main, model(budget=budget), "--describe", "--format", "json").out
    assert command(main, model(budget=budget), "--describe", "--details", "--format", "json").out == as_json
    described = json.loads(as_json)
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
    assert text.endswith("verified  no; the model has no certificate\n")
    described = json.loads(command(main, MODELS / "tensors.onnx", "--describe", "--format", "json").out)
    assert described["certificate"] is None
    assert described["signature"] is None


def test_describe_a_classifier(command: Command) -> None:
    text = command(main, MODEL, "--describe")
    assert text.code == 0
    x1, x2 = "-1.51188 to 1.68093 in training", "-1.51788 to 1.67227 in training"
    assert text.out.startswith(
        f"""\
input     x: float32 [batch, 2]
output    probability: float32 [batch, 1]
task      binary_classification
labels    0, 1 (1 if its probability is above 0.5)
feature   x1: numeric, {x1}
feature   x2: numeric, {x2}
provider  CPUExecutionProvider
verified  float32, 135 reference rows of 5 kinds (see --verify)
"""
    )
    assert text.out.count("\n") == 8
    described = json.loads(command(main, MODEL, "--describe", "--format", "json", "--device", "cpu").out)
    assert described["signature"]["labels"] == [0, 1]
    assert described["inputs"] == [{"name": "x", "type": "tensor(float)", "shape": ["batch", 2]}]
    assert described["provider"] == "CPUExecutionProvider"
    foreign = command(main, MODELS / "tensors.onnx", "--describe")
    assert "string: string [batch]" in foreign.out
    assert "signature none; Predictor.run takes and returns tensors by name\n" in foreign.out


def test_describe_a_table(command: Command, tmp_path: Path) -> None:
    text = command(main, PENGUINS, "--describe").out
    assert "input     text: string [batch, 2]\n" in text
    start = text.index("feature ")
    assert text[start : text.index("provider")].splitlines() == [
        'feature   island: categorical, Biscoe, Dream, Torgersen, Ö=1, "ö", never missing in training',
        "feature   bill: numeric, 32 to 60 in training, never missing in training",
        "feature   mass: numeric, 2700 to 6300 in training, 1% missing in training",
        "feature   ringed: boolean",
        "feature   year: categorical, 2007, 2008, 2009, 25% missing in training",
    ]
    described = json.loads(command(main, PENGUINS, "--describe", "--format", "json").out)
    assert described["signature"] == tables.PENGUINS.to_dict()
    mass = command(main, MASS, "--describe").out
    assert "task      regression\nvalue     a number, in the unit of the training target\n" in mass
    assert "labels" not in mass


def test_describe_many_categories(
    command: Command, tmp_path: Path, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    plain = tables.ISLANDS.to_dict()
    plain["inputs"][0]["features"][0] |= {
        "categories": ["c \n0", *(f"c{number}" for number in range(1, 47))],
        "missing": 0.0004,
    }
    model = tmp_path / "model.onnx"
    model.write_bytes(with_metadata(ISLANDS.read_bytes(), "edge_predict.signature", json.dumps(plain)))
    shown = "c \\n0, " + ", ".join(f"c{number}" for number in range(1, 10))
    line = f"island: categorical, {shown}, ... 37 more, less than 0.1% missing in training\n"
    assert line in command(main, model, "--describe").out


def test_describe_several_labels(command: Callable[..., Any]) -> None:
    text = command(main, THREE_LABELS, "--describe").out
    assert "task      multiclass_classification\n" in text
    assert "labels    right, up, left (the one with the largest probability)\n" in text
    described = json.loads(command(main, THREE_LABELS, "--describe", "--format", "json").out)
    assert described["signature"]["labels"] == ["right", "up", "left"]
    assert described["outputs"] == [{"name": "probabilities", "type": "tensor(float)", "shape": ["batch", 3]}]
