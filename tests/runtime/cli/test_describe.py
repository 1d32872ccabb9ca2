"""--describe: what a model is."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tables
from certificates import appended
from paths import MODELS

from edge_runtime import Predictor
from edge_runtime.cli.command import main
from edge_runtime.cli.describe import description_json, description_text
from edge_runtime.contract.input_ranges import InputRange, InputRanges
from edge_runtime.contract.metadata_keys import RANGES_KEY

MODEL, PENGUINS, ISLANDS, MASS, THREE_LABELS = (
    MODELS / f"{name}.onnx" for name in ("four_blobs", "penguins", "islands", "mass", "three_labels")
)

Command = Callable[..., Any]


def test_describe(command: Command, model: Callable[..., Path]) -> None:
    budget = {"largest error": 0.01, "calibration rows": 512}
    summary = """\
input     x: float32 [batch, 2]
output    y: float32 [batch, 2]
output    largest: int64 [batch]
output    positive: bool [batch, 2]
opset     ai.onnx 16
signature none; --input and Predictor.run take and return tensors by name
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
    details += f"sha256    model {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    assert command(main, path, "--describe", "--device", "cpu") == (0, summary, "")
    assert command(main, path, "--describe", "--details", "--device", "cpu") == (0, summary + details, "")
    assert details.partition("budget")[0] in command(main, model(), "--describe", "--details").out
    # JSON is complete with and without --details.
    as_json = command(main, model(budget=budget), "--describe", "--format", "json").out
    assert command(main, model(budget=budget), "--describe", "--details", "--format", "json").out == as_json
    described = json.loads(as_json)
    assert described["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
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
    assert described["metadata"]["producer"] == "edge-predict"
    assert described["metadata"]["opsets"] == {"ai.onnx": 18}
    assert described["metadata"]["custom"] == {}
    kinds = command(main, MODELS / "kinds.onnx", "--describe").out
    assert "input     maybe: float32 [n] (optional)\n" in kinds
    assert "weight    weight: float32 [1] (may be overridden)\n" in kinds
    foreign = command(main, MODELS / "tensors.onnx", "--describe")
    assert "string: string [batch]" in foreign.out
    assert "signature none; --input and Predictor.run take and return tensors by name\n" in foreign.out


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


def described(command: Command, path: Path, with_metadata: Callable[[bytes, str, str], bytes], **feature: Any) -> str:
    """The line on a feature `f` of this kind."""
    plain = tables.MASS.to_dict()
    plain["inputs"][0]["features"][0] = {"name": "f", "kind": "numeric", **feature}
    path.write_bytes(with_metadata(MASS.read_bytes(), "edge_predict.signature", json.dumps(plain)))
    text: str = command(main, path, "--describe").out
    (line,) = (line for line in text.splitlines() if line.startswith("feature   f: "))
    return line.removeprefix("feature   f: ")


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        ({}, "numeric"),
        ({"minimum": 1.0}, "numeric"),
        ({"maximum": 1.0}, "numeric"),
        ({"minimum": 1.25, "maximum": 1e9}, "numeric, 1.25 to 1e+09 in training"),
        ({"missing": 0.0}, "numeric, never missing in training"),
        ({"missing": 0.0009}, "numeric, less than 0.1% missing in training"),
        ({"missing": 0.001}, "numeric, 0.1% missing in training"),
        ({"missing": 0.25}, "numeric, 25% missing in training"),
        ({"missing": 0.123}, "numeric, 12.3% missing in training"),
        ({"missing": 1.0}, "numeric, 100% missing in training"),
    ],
)
def test_describe_a_feature(
    command: Command, tmp_path: Path, with_metadata: Callable[..., bytes], feature: dict[str, Any], line: str
) -> None:
    assert described(command, tmp_path / "model.onnx", with_metadata, **feature) == line


@pytest.mark.parametrize(("count", "end"), [(9, "c8"), (10, "c8, c9"), (11, "c8, c9, ... 1 more")])
def test_ten_categories_are_shown(
    command: Command, tmp_path: Path, with_metadata: Callable[..., bytes], count: int, end: str
) -> None:
    plain = tables.ISLANDS.to_dict()
    plain["inputs"][0]["features"][0] = {
        "name": "island",
        "kind": "categorical",
        "categories": [f"c{number}" for number in range(count)],
    }
    model = tmp_path / "model.onnx"
    model.write_bytes(with_metadata(ISLANDS.read_bytes(), "edge_predict.signature", json.dumps(plain)))
    assert f"island: categorical, c0, c1, c2, c3, c4, c5, c6, c7, {end}\n" in command(main, model, "--describe").out


def test_details_are_shown_only_if_wanted(model: Callable[..., Path]) -> None:
    predictor = Predictor(model(), device="cpu")
    assert "tolerance" not in description_text(predictor)
    assert "tolerance" in description_text(predictor, details=True)
    plain = Predictor(MODELS / "outputs.onnx", device="cpu")
    assert description_text(plain, details=True) == f"{description_text(plain)}sha256    model {plain.sha256}\n"


def test_describe_a_model_of_images() -> None:
    predictor = Predictor(MODELS / "images.onnx", device="cpu")
    assert description_text(predictor).splitlines()[:4] == [
        "input     image: float32 [batch, 2, 3, 4]",
        "output    probabilities: float32 [batch, 3]",
        "task      multiclass_classification",
        "labels    cat, dog, fox (the one with the largest probability)",
    ]
    assert json.loads(description_json(predictor))["signature"]["inputs"] == [{"name": "image"}]
    predictor.signature = dataclasses.replace(predictor.required_signature, labels=tuple(range(1000)))
    labels = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... 990 more (the one with the largest probability)"
    assert f"labels    {labels}\n" in description_text(predictor)


def test_describe_ranges(command: Command, tmp_path: Path) -> None:
    ranges = InputRanges((InputRange("x", (1, 2), (0, 0), (2, 899)),))
    path = tmp_path / "model.onnx"
    path.write_bytes(appended((MODELS / "outputs.onnx").read_bytes(), RANGES_KEY, ranges.to_json()))
    assert "\nrange     x: 0 to 2, 0 to 899\noutput " in command(main, path, "--describe").out
    described = json.loads(command(main, path, "--describe", "--format", "json").out)
    assert described["input_ranges"] == [{"name": "x", "shape": [1, 2], "low": [0, 0], "high": [2, 899], "size": None}]
