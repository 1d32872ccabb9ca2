"""What is shown of a table before training."""

import re
import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_runtime import Feature, Input, Signature
from edge_train import Column, Dataset, DroppedColumn, Part, Target
from edge_train.cli.goals import Goal
from edge_train.cli.summary import (
    calibration_line,
    column_lines,
    described,
    distillation_line,
    dropped_lines,
    imbalance_line,
    size_line,
    target_line,
    threshold_line,
    warning_lines,
)
from edge_train.thresholds import Imbalance


def numeric(name: str, *values: float) -> Column:
    return Column(name, "numeric", np.array(values, np.float32))


def categorical(name: str, count: int) -> Column:
    categories = tuple(f"c{place}" for place in range(count))
    return Column(name, "categorical", np.arange(count, dtype=np.int32), categories)


def cells(*columns: Column | DroppedColumn) -> list[list[str]]:
    return [re.split("  +", line) for line in column_lines(list(map(described, columns)))]


def test_columns() -> None:
    found = cells(
        numeric("mass", 1.5, 88.25, np.nan),
        Column("flag", "boolean", np.array([1, 0, np.nan, 0], np.float32)),
        categorical("island", 5),
        categorical("city", 1234),
        DroppedColumn("note", "60 different strings, most of them in one row only"),
    )
    assert found == [
        ["column", "taken as", "missing", "values"],
        ["mass", "numeric", "33.3%", "1.5 to 88.25"],
        ["flag", "boolean", "25.0%", "33.3% true"],
        ["island", "categorical", "none", "c0, c1, c2, c3, c4"],
        ["city", "categorical", "none", "c0, c1, c2, c3, c4, ... 1,234 in all"],
        ["note", "dropped", "60 different strings, most of them in one row only"],
    ]


def test_how_columns_are_written_and_warnings() -> None:
    columns: list[Column | DroppedColumn] = [
        replace(numeric("price", 995.5, 1054.5), written="$1,000.50"),
        Column("sold", "date", np.array([0, -(2**63), 86400 * 365 + 60]), order="dmy", written="1.1.1970 (day first)"),
        DroppedColumn("id", "60 different identifiers", "id is dropped\n"),
    ]
    assert cells(*columns) == [
        ["column", "taken as", "written", "missing", "values"],
        ["price", "numeric", "$1,000.50", "none", "995.5 to 1054.5"],
        ["sold", "date", "1.1.1970 (day first)", "33.3%", "1970-01-01 to 1971-01-01 00:01:00"],
        ["id", "dropped", "60 different identifiers"],
    ]
    assert warning_lines(columns) == ["warning: id is dropped\\n"]


@pytest.mark.parametrize(
    ("values", "count"), [((0, 1), 0), ((0, 1, 2), 3), (tuple(range(12)), 12), (tuple(range(13)), 0), ((0, 1, 2.5), 0)]
)
def test_few_integers_may_be_codes(values: tuple[float, ...], count: int) -> None:
    text = cells(numeric("Support calls", *values, np.nan))[1][3]
    assert text.startswith(f"0 to {max(values):g}")
    advice = f", {count} integers: if they are codes, --categorical 'Support calls'"
    assert text.endswith(advice) if count else "codes" not in text


@pytest.mark.parametrize(
    ("name", "values", "is_hinted"),
    [
        ("occ10", np.tile(np.arange(10, 4310, 10), 2), True),
        ("zip", [*range(13), *range(13), np.nan], True),
        # Nobody would take them for codes: of another name, most in one row only, with fractions, or one of two.
        ("income", np.tile(np.arange(10, 4310, 10), 2), False),
        ("occ10", [*range(13), *range(12)], False),
        ("zip", [*range(13), *range(12), 0.5], False),
        ("zip", [0, 1, 0, 1], False),
    ],
)
def test_many_integers_may_be_codes_if_they_are_named_so(name: str, values: Any, is_hinted: bool) -> None:
    text = cells(numeric(name, *values))[1][3]
    assert text.endswith(f" integers: if they are codes, --categorical {name}") is is_hinted


@pytest.mark.parametrize("name", ["Support calls", "it's", "$HOME", "a;b", 'say "b"', "-x"])
def test_an_advice_can_be_pasted_into_a_shell(name: str) -> None:
    line = column_lines([described(numeric(name, 1, 2, 3))])[1]
    assert shlex.split(line[line.index("--categorical") :]) == ["--categorical", name]


def target(labels: tuple[Any, ...], values: Any, task: Any) -> Target:
    return Target("y", task, np.array(values), np.arange(len(values)), labels)


@pytest.mark.parametrize(
    ("labels", "values", "task", "shown"),
    [
        (("no", "yes"), [0.0, 1.0, 1.0], "binary_classification", "2 classes: no (1), yes (2)"),
        ((0, 1), [0.0, 1.0], "binary_classification", "2 classes: 0 (1), 1 (1)"),
        ((False, True), [0.0, 1.0], "binary_classification", "2 classes: False (1), True (1)"),
        (
            (1, 2, 3),
            [0, 1, 2, 2],
            "multiclass_classification",
            "3 classes: 1 (1), 2 (1), 3 (2); --task regression if they are values",
        ),
        (
            tuple("abcdefghijkl"),
            list(range(12)),
            "multiclass_classification",
            "12 classes: a (1), b (1), c (1), d (1), e (1), f (1), g (1), h (1), i (1), j (1), ...",
        ),
        (
            tuple("abcdefghij"),
            list(range(10)),
            "multiclass_classification",
            "10 classes: a (1), b (1), c (1), d (1), e (1), f (1), g (1), h (1), i (1), j (1)",
        ),
        ((), [1.5, 2.5], "regression", "values from 1.5 to 2.5 (--task classification if they are classes)"),
    ],
)
def test_target(labels: tuple[Any, ...], values: Any, task: Any, shown: str) -> None:
    assert target_line(target(labels, values, task)) == f"target y: {shown}"


def dataset(*names: str, labels: tuple[Any, ...] = ("no", "yes"), task: Any = "binary_classification") -> Dataset:
    part = Part({"x": np.zeros((1234, len(names)), np.float32)}, np.zeros(1234, np.float32))
    features = tuple(map(Feature, names))
    return Dataset(part, part, Signature((Input("x", features),), "y", labels, task))


def test_size() -> None:
    assert size_line(dataset("a", "b")) == "1,234 rows to train, 1,234 to test, 2 features, classes no and yes"
    assert size_line(dataset("a", labels=(), task="regression")) == "1,234 rows to train, 1,234 to test, 1 feature"


def test_what_was_dropped() -> None:
    columns = [numeric("a", 1), numeric("b", 1), numeric("c", 1)]
    y = target(("no", "yes"), [0.0, 1.0], "binary_classification")
    assert dropped_lines(dataset("b"), columns, y, rows=1002) == [
        "dropped 1,000 rows: y is missing",
        "dropped a, c: no value in the training rows",
    ]
    assert dropped_lines(dataset("a", "b", "c"), columns, y, rows=2) == []


def test_how_many_categories_are_taken_as_unknown() -> None:
    codes = np.array([[0, 2, 1], [0, 3, 2], [2, 2, 0]])
    features = tuple(Feature(name, "categorical", categories=("u", "v")) for name in ("street", "city", "bell\a"))
    signature = Signature((Input("text", features),), "y", ("no", "yes"), "binary_classification")
    made = Dataset(Part({"text": codes}, np.zeros(3, np.float32)), None, signature)
    columns = [categorical(name, 3) for name in ("street", "city", "bell\a")]
    assert dropped_lines(made, columns, target(("no", "yes"), [0.0, 1.0], "binary_classification"), rows=2) == [
        "street: categories of single rows are taken as unknown, in 2 training rows",
        "bell\\x07: categories of single rows are taken as unknown, in 1 training rows",
    ]


def test_names_and_values_control_no_terminal() -> None:
    hostile = "mass\nrows 9\x1b[31m\u202e"
    categories = Column("c", "categorical", np.zeros(1, np.int32), (hostile,))
    columns = (numeric(hostile, 1, 2, 3), categories, DroppedColumn(hostile, hostile))
    lines = column_lines([described(column) for column in columns])
    y = Target(hostile, "binary_classification", np.array([0.0, 1.0]), np.arange(2), (hostile, "b"))
    lines += [target_line(y), size_line(dataset("a", labels=(hostile, "b")))]
    lines += dropped_lines(dataset("a"), [numeric(hostile, 1)], y, rows=3)
    assert len(lines) == 4 + 2 + 2
    for line in lines:
        assert line.isprintable()
    assert sum("mass\\nrows 9\\x1b[31m\\u202e" in line for line in lines) == 7


def test_what_a_threshold_decides() -> None:
    assert threshold_line(Goal("f1"), 0.25, ("no", "yes\x1b")) == (
        "threshold 0.25: yes\\x1b is predicted if its probability is above it"
    )
    assert threshold_line(Goal("cost", (1, 10.5)), 0.091, (False, True)) == (
        "threshold 0.091: True is predicted if its probability is above it; False taken for True costs 1, "
        "True taken for False 10.5"
    )


def test_a_rare_class_that_is_hardly_predicted() -> None:
    found = Imbalance(0, 0.0523, 0.001, 0.5049, 0.947, 0.3617, 0.6789)
    assert imbalance_line(found, ("bad", "good\n")) == (
        "warning: bad is 5.2% of the rows held out, and predicted for 0.1% of them (balanced accuracy 0.50); "
        "--threshold balanced would take 0.947: predicted for 36.2%, balanced accuracy 0.68"
    )


def test_what_calibration_did() -> None:
    line = calibration_line(1.25, {"log_loss": 0.5, "ece": 0.04}, {"log_loss": 0.4321, "ece": 0.01, "accuracy": 0.9})
    expected = "calibrated by a temperature of 1.25: log loss 0.5 before, 0.4321 after, ECE 0.04 before, 0.01 after"
    assert line == expected


def test_what_distillation_did() -> None:
    before, after = {"accuracy": 0.9, "log_loss": 0.25, "ece": 0.1}, {"accuracy": 0.89, "log_loss": 0.26, "ece": 0.2}
    line = distillation_line(5, before, after)
    assert line == "distilled from 5 members: log loss 0.25 before, 0.26 after, accuracy 0.9 before, 0.89 after"
    line = distillation_line(2, {"mae": 1.0, "rmse": 2.0, "r2": None}, {"mae": 1.5, "rmse": 2.5, "r2": None})
    assert line == "distilled from 2 members: RMSE 2 before, 2.5 after"
