"""`edge-predict MODEL VALUES --explain`."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baselines import explained_model
from commands import assert_one_line
from paths import MODELS

from edge_runtime import Explanation, Predictor
from edge_runtime.cli.command import main

Command = Callable[..., Any]
ROW = ["Torgersen", 39.1, 3750, True, 2007]


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explained") / "penguins.onnx"
    path.write_bytes(explained_model("penguins"))
    return path


@pytest.fixture(scope="module")
def expected(penguins: Path) -> Explanation:
    found: Explanation = Predictor(penguins, device="cpu").explain(ROW)
    return found


def test_text(command: Command, penguins: Path, expected: Explanation) -> None:
    result = command(main, penguins, *ROW, "--explain")
    assert result == (0, f"{expected}\n", "")
    assert result.out.splitlines()[0] == command(main, penguins, *ROW).out.rstrip("\n")
    named = ["year=2007", "ringed=true", "mass=3750", "bill=39.1", "island=Torgersen"]
    assert command(main, penguins, "--explain", *named) == result
    # A column that may be missing need not be there.
    without = command(main, penguins, "--explain", *[word for word in named if "mass" not in word]).out
    (line,) = [line.split() for line in without.splitlines() if "mass" in line]
    assert line[1:] == ["mass", "missing", "4000"]
    assert command(main, penguins, *ROW, "--explain", "--isolate") == result


def test_json(command: Command, penguins: Path, expected: Explanation) -> None:
    found = json.loads(command(main, penguins, *ROW, "--explain", "--format", "json").out)
    assert list(found) == ["label", "probability", "base", "attributions", "values", "baseline"]
    assert found["label"] == expected.label
    assert (found["probability"], found["base"]) == (expected.answer, expected.base)
    for name in ("attributions", "values", "baseline"):
        assert list(found[name].items()) == list(getattr(expected, name).items())
    assert found["base"] + sum(found["attributions"].values()) == pytest.approx(found["probability"], abs=1e-12)
    infinite = command(main, penguins, "Dream", "inf", "NA", 0, 2008, "--explain", "--format", "json")
    assert json.loads(infinite.out)["values"] == {
        "bill": None,
        "mass": None,
        "island": "Dream",
        "ringed": False,
        "year": 2008,
    }


def test_csv(command: Command, penguins: Path, expected: Explanation) -> None:
    out = command(main, penguins, *ROW, "--explain", "--format", "csv").out
    header, base, *rows = csv.reader(io.StringIO(out))
    assert header == ["column", "value", "typical", "contribution"]
    assert base == ["", "", "", str(expected.base)]
    assert {row[0]: float(row[3]) for row in rows} == dict(expected.attributions)
    assert {row[0]: row[1:3] for row in rows} == {
        "island": ["Torgersen", "Dream"],
        "bill": ["39.1", "44.5"],
        "mass": ["3750.0", "4000.0"],
        "ringed": ["true", "false"],
        "year": ["2007", "2008"],
    }


def test_of_a_regression(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "mass.onnx"
    path.write_bytes(explained_model("mass"))
    assert command(main, path, 40, 18, "--explain").out == (
        "value 3141\n"
        "contribution  column         value  typical\n"
        "      3571.5  (typical row)\n"
        "        -405  bill           40     44.5\n"
        "       -25.5  depth          18     missing\n"
    )
    found = json.loads(command(main, path, 40, "NA", "--explain", "--format", "json").out)
    assert found["value"] == 3166.5
    assert found["values"] == {"bill": 40, "depth": None}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "rows.csv", "--explain"], "--explain needs the values of one row, in order or as name=value"),
        (["--describe", "--explain"], "--explain needs the values of one row"),
        ([*ROW, "--explain", "--top", 2], "--top does not go with --explain"),
        ([*ROW, "--explain", "--flag-unseen"], "--flag-unseen does not go with --explain"),
        ([*ROW, "--explain", "--interval", 0.9], "--interval does not go with --explain"),
        (["Dream", 39.1, "--explain"], "5 values are needed"),
        (["--doctor", "--explain"], "--doctor goes with MODEL"),
    ],
)
def test_wrong_usage(command: Command, penguins: Path, words: list[Any], message: str) -> None:
    assert_one_line(command(main, penguins, *words), 2, message)


@pytest.mark.parametrize(
    ("name", "words", "code", "message"),
    [
        ("mass", [40, 18], 1, "the model does not say what is typical of bill, depth"),
        ("images", [1], 2, "which is not a row of named values"),
        ("tensors", [1], 1, "no edge-predict signature"),
    ],
)
def test_what_cannot_be_explained(command: Command, name: str, words: list[Any], code: int, message: str) -> None:
    assert_one_line(command(main, MODELS / f"{name}.onnx", *words, "--explain"), code, message)


def test_standard_errors(command: Command, penguins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.shapley.MOST_EXACT", 2)
    found = json.loads(command(main, penguins, *ROW, "--explain", "--format", "json").out)
    assert list(found["standard_errors"]) == list(found["attributions"])
    assert 0 < max(found["standard_errors"].values()) < 0.05
    header, base, *rows = csv.reader(io.StringIO(command(main, penguins, *ROW, "--explain", "--format", "csv").out))
    assert header[4] == "standard_error"
    assert base[4] == ""
    assert {row[0]: float(row[4]) for row in rows} == found["standard_errors"]
