"""Answers as text, JSON Lines and CSV."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
