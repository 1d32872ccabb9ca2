"""Answers as text, JSON Lines and CSV."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import conformal_models
import pytest
from commands import assert_one_line
from paths import MODELS

from edge_runtime.cli.command import main

MODEL, PENGUINS, MASS, THREE_LABELS = (
    MODELS / f"{name}.onnx" for name in ("four_blobs", "penguins", "mass", "three_labels")
)

Command = Callable[..., Any]


def test_formats(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("x2,x1,class\n1,-1,a\n1,1,b\nnan,1,c\n")
    note = f"{rows}: ignored columns: class\n"
    text = command(main, MODEL, "--input", rows)
    assert text == (
        0,
        "label 1  probability 0.9927\nlabel 0  probability 0.9785\nlabel 0  probability nan\n",
        note,
    )
    as_json = command(main, MODEL, "--input", rows, "--format", "json")
    answers = [json.loads(line) for line in as_json.out.splitlines()]
    assert answers[0]["label"] == 1
    assert answers[0]["probability"] == answers[0]["probabilities"]["1"] == pytest.approx(0.9927064, abs=1e-6)
    assert answers[1]["label"] == 0
    assert answers[1]["probability"] == answers[1]["probabilities"]["0"] == pytest.approx(0.9785453, abs=1e-6)
    assert answers[2] == {"label": 0, "probability": None, "probabilities": {"0": None, "1": None}}
    as_csv = command(main, MODEL, "--input", rows, "--format", "csv").out.splitlines()
    assert as_csv[0] == "label,probability,probability_0,probability_1"
    assert as_csv[1].split(",")[0] == "1"
    assert float(as_csv[1].split(",")[1]) == answers[0]["probability"]
    assert len(as_csv) == 4
    one = command(main, MODEL, "--format", "json", -1, 1)
    assert json.loads(one.out) == answers[0]


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """Files of models that carry what intervals are made of."""
    found = {}
    for name in ("values", "labels", "scaled"):
        found[name] = tmp_path / f"{name}.onnx"
        found[name].write_bytes(getattr(conformal_models, name)())
    return found


def test_intervals(command: Command, models: dict[str, Path], tmp_path: Path) -> None:
    result = command(main, models["scaled"], -1.5, 4, "--interval", 0.9)
    assert result == (0, "value 1  90% interval -2 to 4\n", "")
    assert command(main, models["scaled"], -1.5, 4, "--interval", 0.5).out == "value 1  50% interval -0.5 to 2.5\n"
    # The next larger coverage that the model has.
    assert command(main, models["scaled"], -1.5, 4, "--interval", 0.505).out == "value 1  50.5% interval -2 to 4\n"
    as_json = command(main, models["scaled"], -1.5, 4, "--interval", 0.9, "--format", "json").out
    assert json.loads(as_json) == {"value": 1, "lower": -2, "upper": 4}
    as_csv = command(main, models["scaled"], -1.5, 4, "--interval", 0.9, "--format", "csv").out
    assert as_csv == "value,lower,upper\n1.0,-2.0,4.0\n"
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n-1.5,4\nnan,1\n")
    for words in ([], ["--format", "csv"], ["--format", "json"]):
        one, *others = command(main, models["scaled"], "--input", rows, "--interval", 0.9, *words).out.splitlines()
        first = others[0] if "csv" in words else one
        of_one = command(main, models["scaled"], -1.5, 4, "--interval", 0.9, *words).out.splitlines()
        assert first == of_one[-1]


def _masses(folder: Path) -> Path:
    path = folder / "masses.csv"
    path.write_text("bill,depth\n40,15\n50,\n")
    return path


def test_sets(command: Command, models: dict[str, Path]) -> None:
    row = ["Torgersen", 39.1, 3750, "true", 2007]
    shown = command(main, models["labels"], *row, "--interval", 0.9)
    assert shown == (0, "label Gentoo  probability 0.9788  90% set Gentoo, Chinstrap\n", "")
    assert command(main, models["labels"], *row, "--interval", 0.5).out.endswith("  50% set Gentoo\n")
    answer = json.loads(command(main, models["labels"], *row, "--interval", 0.9, "--format", "json").out)
    assert answer["set"] == ["Gentoo", "Chinstrap"]
    text = command(main, models["labels"], *row, "--interval", 0.9, "--format", "csv", "--top", 1, "--flag-unseen").out
    assert [cells[2:] for cells in csv.reader(text.splitlines())] == [
        ["set", "unseen"],
        ['["Gentoo", "Chinstrap"]', ""],
    ]


@pytest.mark.parametrize(
    ("coverage", "code", "part"),
    [
        (0.95, 2, "a coverage of 0.95 is more than the model has scores for; the largest possible is 0.9"),
        (1, 2, "--interval: coverage is a number between 0 and 1, such as 0.9, found 1.0"),
        (90, 2, "--interval: coverage is a number between 0 and 1, such as 0.9, found 90.0"),
        ("nan", 2, "--interval: coverage is a number between 0 and 1, such as 0.9, found nan"),
        ("high", 2, "--interval: 'high' is not a number"),
    ],
)
def test_coverages_that_are_not_possible(
    command: Command, models: dict[str, Path], tmp_path: Path, coverage: object, code: int, part: str
) -> None:
    assert_one_line(command(main, models["values"], 40, 15, "--interval", coverage), code, part)
    result = command(main, models["values"], "--input", _masses(tmp_path), "--interval", coverage)
    assert_one_line(result, 1 if coverage == 0.95 else 2, part)
    assert result.out == ""


def test_a_model_without_intervals(command: Command, tmp_path: Path) -> None:
    for words in ([40, 15], ["--input", _masses(tmp_path)]):
        result = command(main, MASS, *words, "--interval", 0.9)
        assert_one_line(result, 1, "too few rows were held out in training", "train it again")
        assert result.out == ""


def test_flag_unseen(command: Command, tmp_path: Path) -> None:
    flags = "island: 'Foo' was not seen in training; mass: 9000 is far above the 6300 seen in training"
    row = ["Foo", 40, 9000, 1, 2007]
    plain = command(main, PENGUINS, *row).out.rstrip("\n")
    assert command(main, PENGUINS, *row, "--flag-unseen") == (0, f"{plain}  unseen: {flags}\n", "")
    rows = tmp_path / "rows.csv"
    rows.write_text("Foo,40,9000,1,2007\nDream,40,3000,1,2007\n")
    first, second = command(main, PENGUINS, "--input", rows, "--flag-unseen").out.splitlines()
    assert first == f"{plain}  unseen: {flags}"
    assert "unseen" not in second
    answers = command(main, PENGUINS, "--input", rows, "--flag-unseen", "--format", "json").out.splitlines()
    assert [json.loads(line)["unseen"] for line in answers] == [
        dict(reason.split(": ", 1) for reason in flags.split("; ")),
        {},
    ]
    table = command(main, PENGUINS, "--input", rows, "--flag-unseen", "--format", "csv").out
    assert [line["unseen"] for line in csv.DictReader(io.StringIO(table))] == [flags, ""]
    assert "unseen" not in command(main, PENGUINS, "--input", rows, "--format", "csv").out
    assert "unseen" not in command(main, PENGUINS, *row, "--format", "json").out


def test_regression(command: Command, tmp_path: Path) -> None:
    assert command(main, MASS, 40, 20) == (0, "value 3090\n", "")
    assert command(main, MASS, "depth=NA", "bill=40.123456") == (0, "value 3177.61\n", "")
    answer = command(main, MASS, 40.123456, "", "--format", "json").out
    assert json.loads(answer) == {"value": pytest.approx(3177.611, abs=1e-3)}
    assert len(answer) < 24
    assert command(main, MASS, "inf", 0, "--format", "json").out == '{"value": null}\n'
    rows = tmp_path / "rows.csv"
    rows.write_text("mass,depth,bill\n1,20,40\n2,,1000\n")
    assert command(main, MASS, "--input", rows, "--format", "csv").out == "value\n3090.0\n89566.5\n"
    flagged = command(main, MASS, "--input", rows, "--format", "csv", "--flag-unseen").out
    assert flagged == "value,unseen\n3090.0,\n89566.5,bill: 1000 is far above the 60 seen in training\n"


def test_several_labels(command: Callable[..., Any], tmp_path: Path) -> None:
    assert command(main, THREE_LABELS, -1, 0) == (0, "label left  probability 0.8668\n", "")
    answer = json.loads(command(main, THREE_LABELS, -1, 0, "--format", "json").out)
    assert answer["label"] == "left"
    assert answer["probability"] == answer["probabilities"]["left"]
    assert list(answer["probabilities"]) == ["right", "up", "left"]
    rows = tmp_path / "rows.csv"
    rows.write_text("x2,x1\n1,0\n0,1\nnan,1\n")
    header, *lines = command(main, THREE_LABELS, "--input", rows, "--format", "csv").out.splitlines()
    assert header == "label,probability,probability_right,probability_up,probability_left"
    assert [line.split(",")[0] for line in lines] == ["up", "right", "right"]
    assert all(len(line.split(",")) == 5 for line in lines)


def test_top(command: Command, tmp_path: Path) -> None:
    """The most probable labels, the answer first."""
    rows = tmp_path / "rows.csv"
    rows.write_text("0,1\n-1,0\nnan,0\n")
    text = command(main, THREE_LABELS, "--input", rows, "--top", 2)
    assert text == (
        0,
        "label up  probability 0.9094  next right 0.0453\n"
        "label left  probability 0.8668  next up 0.1173\n"
        "label right  probability nan  next up nan\n",
        "",
    )
    first, *_ = command(main, THREE_LABELS, "--input", rows, "--top", 2, "--format", "json").out.splitlines()
    assert list(json.loads(first)["probabilities"]) == ["up", "right"]
    for count, places in ((1, []), (2, [2]), (7, [2, 3])):
        lines = command(main, THREE_LABELS, "--input", rows, "--top", count, "--format", "csv").out.splitlines()
        header, answer, *_ = csv.reader(lines)
        assert header == ["label", "probability", *(f"{name}_{one}" for one in places for name in header[:2])]
        assert len(answer) == len(header)
        assert answer[::2] == ["up", "right", "left"][: len(places) + 1]
    assert command(main, THREE_LABELS, "--top", 1, 0, 1).out == "label up  probability 0.9094\n"
    assert command(main, MODEL, "--top", 9, -1, 1).out == "label 1  probability 0.9927  next 0 0.0073\n"


def test_a_regression_has_no_top_labels(command: Command) -> None:
    assert_one_line(command(main, MASS, 1, 2, "--top", 3), 1, "--top is for labels, and the model is a regression")
    for words in (["--describe", "--top", 3], ["--top", 0, 1, 2]):
        assert command(main, MASS, *words).code == 2
