"""Names and cells that would control a terminal, or pass for results: they are escaped wherever they are shown.

JSON and CSV stay exact: what reads them gets the names as they are.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
from paths import MODELS

from edge_runtime import Certificate, ReferenceBatch
from edge_runtime.cli.command import main
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, SIGNATURE_KEY
from edge_runtime.contract.signature import Signature

FALSE_LINE = "\npassed: 999 reference rows on CPUExecutionProvider"
HOSTILE = {
    "mass": f"mass{FALSE_LINE}",
    "bill": "bill\x1b[2J\x1b[31m",
    "ringed": "ringed\u202egnihton",
    "year": "year\0\x07\r",
    "island": "island\x9b1m\u2028\t",
}
# A label is one line by the rules of a signature.
LABELS = ("\x1b[8mAdelie", "Chinstrap\u202e", "Gentoo\0")
CATEGORY = f"Dream{FALSE_LINE}\x1b[0m"

Command = Callable[..., Any]
WithMetadata = Callable[[bytes, str, str], bytes]


def with_hostile_category(categories: Any) -> Any:
    """`categories` with CATEGORY in place of Dream."""
    return tuple(CATEGORY if one == "Dream" else one for one in categories)


def hostile(signature: Signature, labels: tuple[str, ...]) -> Signature:
    """`signature` with the names of HOSTILE, and with a hostile category in place of Dream."""
    inputs = []
    for tensor in signature.inputs:
        features = tuple(
            dataclasses.replace(
                feature, name=HOSTILE[feature.name], categories=with_hostile_category(feature.categories)
            )
            for feature in tensor.features
        )
        inputs.append(dataclasses.replace(tensor, features=features))
    columns = tuple(HOSTILE[name] for name in signature.columns)
    return dataclasses.replace(signature, inputs=tuple(inputs), labels=labels, columns=columns)


@pytest.fixture
def penguins(tmp_path: Path, with_metadata: WithMetadata) -> Path:
    path = tmp_path / "penguins.onnx"
    signature = hostile(tables.PENGUINS, LABELS)
    path.write_bytes(with_metadata((MODELS / "penguins.onnx").read_bytes(), SIGNATURE_KEY, signature.to_json()))
    return path


def assert_harmless(result: Any) -> None:
    for stream in (result.out, result.err):
        # Not splitlines(), which would break lines at characters that must not be there.
        for line in stream.split("\n"):
            assert line.isprintable(), result
            assert not line.startswith("passed: 999"), result


ROW = ["Foo\x1b[31m", 40, 9000, 1, "2007"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--describe"],
        ["--describe", "--details"],
        ["--describe", "--format", "json"],
        ROW,
        [*ROW, "--flag-unseen"],
        [*ROW, "--flag-unseen", "--format", "json"],
        [*ROW[:4], "year\x1b[31m"],
        ["Dream", 40, 3000, "\x1b[31m", 2007],
        [f"{HOSTILE['island']}=Dream", "colour\x1b[31m=1"],
        [f"{HOSTILE['island']}=Dream"],
        [f"{HOSTILE['island']}=Dream", f"{HOSTILE['island']}=Dream"],
        ["Dream", 40],
        [*ROW, "--x\x1b[31m"],
        [*ROW, "--device", "cuda\x1b[31m"],
        ["--input", "nowhere\x1b[31m.csv"],
    ],
)
def test_penguins(command: Command, penguins: Path, arguments: list[object]) -> None:
    assert_harmless(command(main, penguins, *arguments))


@pytest.mark.parametrize("flags", [[], ["--flag-unseen"]])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps({**{HOSTILE[name]: value for name, value in (("bill", 1), ("ringed", True), ("island", "a\x1b"))}}),
        json.dumps({**dict.fromkeys(HOSTILE.values(), 1), "more\x1b[31m": 1}),
        json.dumps(dict.fromkeys(HOSTILE.values(), "\x1b[31m")),
        "[1",
        "a\x1b[31m,b\u202e,c,d,e\n",
        "a\x1b[31m,1,2,0,2007\n",
        "a\x1b[31m,1,2\n",
    ],
)
def test_files(command: Command, penguins: Path, tmp_path: Path, content: str, flags: list[str]) -> None:
    rows = tmp_path / "rows\x1b[31m"
    rows.write_text(content)
    for output_format in ("text", "json"):
        assert_harmless(command(main, penguins, "--input", rows, "--format", output_format, *flags))


def test_a_header_and_ignored_columns(command: Command, penguins: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    # CSV strips white space around a name.
    features = [name.strip() for name in HOSTILE.values()]
    with rows.open("w", newline="") as file:
        csv.writer(file).writerows([[*features, "more\x1b[31m\nand more"], [1, 1, 1, 2007, "Dream", 0]])
    assert_harmless(command(main, penguins, "--input", rows))


def test_answers_are_exact_in_json_and_csv(command: Command, penguins: Path) -> None:
    answer = json.loads(command(main, penguins, *ROW, "--format", "json", "--flag-unseen").out)
    assert list(answer["probabilities"]) == list(LABELS)
    assert answer["label"] in LABELS
    assert list(answer["unseen"]) == [HOSTILE["island"], HOSTILE["mass"]]
    out = command(main, penguins, *ROW, "--format", "csv", "--flag-unseen").out
    header, row = csv.reader(io.StringIO(out, newline=""))
    assert header == ["label", "probability", *(f"probability_{label}" for label in LABELS), "unseen"]
    assert row[0] == answer["label"]
    assert row[-1] == "; ".join(f"{name}: {reason}" for name, reason in answer["unseen"].items())


def test_csv_on_a_terminal(command: Command, penguins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = command(main, penguins, *ROW, "--format", "csv", "--flag-unseen")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = command(main, penguins, *ROW, "--format", "csv", "--flag-unseen")
    assert_harmless(shown)
    assert len(shown.out) > len(exact.out)
    assert shown.out.startswith("label,probability,probability_\\x1b[8mAdelie,probability_Chinstrap\\u202e,")


def test_text_shows_the_escapes(command: Command, penguins: Path) -> None:
    described = command(main, penguins, "--describe").out
    assert "labels    \\x1b[8mAdelie, Chinstrap\\u202e, Gentoo\\x00 (the one with" in described
    assert "feature   mass\\npassed: 999 reference rows on CPUExecutionProvider: numeric" in described
    assert "Biscoe, Dream\\npassed: 999 reference rows on CPUExecutionProvider\\x1b[0m, Torgersen" in described
    answer = command(main, penguins, *ROW, "--flag-unseen").out
    assert answer.startswith("label Gentoo\\x00  probability ")
    assert "mass\\npassed: 999 reference rows on CPUExecutionProvider: 9000 is far above" in answer


@pytest.fixture
def certified_by(
    tmp_path: Path, certificate: Callable[..., Certificate], with_metadata: WithMetadata
) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        content = (MODELS / "outputs.onnx").read_bytes()
        path = tmp_path / "outputs.onnx"
        path.write_bytes(seal(with_metadata(content, CERTIFICATE_KEY, certificate(**changes).to_json())))
        return path

    return write


def batch(kind: str, expected: Mapping[str, np.ndarray]) -> ReferenceBatch:
    tolerance = {name: np.zeros(array.shape, np.float32) for name, array in expected.items()}
    return ReferenceBatch(kind, {"x": np.zeros((1, 2), np.float32)}, expected, tolerance)


def test_certificates(command: Command, certified_by: Callable[..., Path]) -> None:
    y = {"y": np.ones((1, 2), np.float32)}
    changes: list[dict[str, Any]] = [
        {"precision": f"float32{FALSE_LINE}"},
        {"tolerance_rule": f"any{FALSE_LINE}", "versions": {"torch\x1b[2J": FALSE_LINE, "onnxruntime": FALSE_LINE}},
        {"hashes": {FALSE_LINE: FALSE_LINE}, "budget": {FALSE_LINE: {FALSE_LINE: [FALSE_LINE]}}},
        {"reference": (batch(f"rows{FALSE_LINE}", y),)},
        {"reference": (batch("rows", {**y, f"w{FALSE_LINE}": y["y"]}),)},
        {"reference": (dataclasses.replace(batch("rows", y), inputs={FALSE_LINE: y["y"]}),)},
    ]
    for change in changes:
        path = certified_by(**change)
        for arguments in (["--describe", "--details"], ["--verify"]):
            for output_format in ("text", "json"):
                result = command(main, path, *arguments, "--format", output_format)
                assert_harmless(result)
                assert result.out
    document = json.loads(command(main, certified_by(**changes[1]), "--describe", "--format", "json").out)
    assert document["certificate"]["tolerance_rule"] == f"any{FALSE_LINE}"


def test_tensors(command: Command, tmp_path: Path) -> None:
    """Of a model without a signature: names in the graph itself."""
    name = b"\x1b[31m\n\r"
    model = tmp_path / "tensors.onnx"
    model.write_bytes((MODELS / "tensors.onnx").read_bytes().replace(b"float16", name))
    result = command(main, model, "--describe")
    assert_harmless(result)
    assert "input     \\x1b[31m\\n\\r: float16 [batch, 2]\n" in result.out
    document = json.loads(command(main, model, "--describe", "--format", "json").out)
    assert document["inputs"][0]["name"] == name.decode()
    assert_harmless(command(main, model, 1, 2))
