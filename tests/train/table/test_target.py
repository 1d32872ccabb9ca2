"""The target: its task, its classes or values."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edge_train import TableError, Target, find_target
from edge_train.table.target import TargetKind


def found(cells: Any, kind: TargetKind | None = None) -> Target:
    return find_target(pa.table({"x": pa.nulls(len(cells)), "y": cells}), "y", "t.csv", kind)


def answers(target: Target) -> list[Any]:
    if target.task == "regression":
        values: list[Any] = target.values.tolist()
        return values
    return [target.labels[int(place)] for place in target.values]


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["0", "1"], [0, 1]),
        (["1", "-1"], [-1, 1]),
        (["10", "9"], [9, 10]),
        (["0.0", "1.0"], [0.0, 1.0]),
        (["10.5", "9.5"], [9.5, 10.5]),
        (["0", "1.0"], ["0", "1.0"]),
        (["01", "1", "b", "c"], ["01", "1", "b", "c"]),
        (["01", "1", "2"] * 3, ["01", "1", "2"]),
        (["007", "008"], ["007", "008"]),
        (["nan", "inf", "b"], ["b", "inf"]),
        (["True", "False"], ["False", "True"]),
        (["1_0", "2", "b"], ["1_0", "2", "b"]),
        (["ja", "für"], ["für", "ja"]),
        ([True, False], [False, True]),
        ([1, 0], [0, 1]),
        ([1.0, 0.0], [0.0, 1.0]),
        ([10.0, 9.5], [9.5, 10.0]),
        (np.array([0.1, 2], np.float32), [0.1, 2.0]),
        ([Decimal("1.25"), Decimal("10.25")], [1.25, 10.25]),
        (pa.array([5, 3], pa.uint8()), [3, 5]),
        (pa.array(["b", "a"]).dictionary_encode(), ["a", "b"]),
        ([" yes", "no "], ["no", "yes"]),
    ],
)
def test_classes_keep_what_they_are(cells: Any, labels: list[Any]) -> None:
    target = found(cells)
    assert list(target.labels) == labels
    assert [type(label) for label in target.labels] == [type(label) for label in labels]
    assert len(labels) > 2 or target.task == "binary_classification"
    assert target.values.dtype == (np.float32 if len(labels) == 2 else np.int64)
    assert answers(target)[-1] in (labels[0], labels[-1])


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        ([0, 1] * 3, "binary_classification"),
        ([0, 7.5], "binary_classification"),
        ([0, 1, 2] * 3, "multiclass_classification"),
        (["0", "1", "2"] * 3, "multiclass_classification"),
        ([0.0, 1.0, 2.0] * 3, "multiclass_classification"),
        ([*([0, 1, 2] * 3), 3], "regression"),
        ([0, 1, 2.5] * 3, "regression"),
        (list(range(20)) * 3, "multiclass_classification"),
        (list(range(21)) * 3, "regression"),
        (["a", "b", "c"], "multiclass_classification"),
    ],
)
def test_the_task_is_found(cells: Any, task: str) -> None:
    assert found(cells).task == task


def test_the_user_says_what_the_target_holds() -> None:
    assert found([0, 1, 0], "regression").task == "regression"
    target = found([0, 1.5, 10], "classification")
    assert (target.task, target.labels) == ("multiclass_classification", (0.0, 1.5, 10.0))
    assert answers(found([10, 0, 1.5, 0], "classification")) == [10, 0, 1.5, 0]
    assert found(list(range(30)), "classification").labels == tuple(range(30))
    assert found([True, False], "regression").values.tolist() == [1, 0]


@pytest.mark.parametrize(
    "cells", [["b", "", "a", "NA"], [1.0, None, 2.0, float("nan")], [True, None, False, None], [4, None, 2, None]]
)
@pytest.mark.parametrize("kind", [None, "regression"])
def test_rows_without_a_target_are_dropped(cells: Any, kind: TargetKind | None) -> None:
    if kind is not None and cells[0] == "b":
        cells = ["1", "", "2", "NA"]
    target = found(cells, kind)
    assert target.rows.tolist() == [0, 2]
    assert answers(target) == [type(answers(target)[0])(cell) for cell in (cells[0], cells[2])]


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        (["a", "a"], None, "y is a in every row; two classes"),
        ([5, 5], None, "in every row"),
        ([5.5, 5.5], "regression", "y is 5.5 in every row, so there is nothing to learn"),
        (["", "NA"], None, "no value in any row, so nothing can be learned"),
        ([None, None], "classification", "no value in any row"),
        ([float("nan")] * 2, None, "no value in any row"),
        (
            ["1", "2", "", "4O", "5.5"],
            None,
            r"row 4: y is '4O', not a number; .* as classes with --task classification$",
        ),
        (["no", "yes"], "regression", "row 1: y is 'no'"),
        (["a\nb", "c"], None, r"y has the class 'a\\nb'; a class must be one line"),
        (["a\0", "c"], None, "row 1: y is .*, a string with a null in it"),
        ([1.0, float("inf")], None, "row 2: y is inf"),
        ([[1], [2]], None, "list.* cannot be predicted"),
        ([b"a", b"b"], None, "binary.* cannot be predicted"),
        ([{"a": 1}, {"a": 2}], "classification", "struct.* cannot be predicted"),
        ([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], None, "date32.* cannot be predicted"),
    ],
)
def test_refused(cells: Any, kind: TargetKind | None, message: str) -> None:
    with pytest.raises(TableError, match=message):
        found(cells, kind)


def test_no_such_column() -> None:
    with pytest.raises(TableError, match=r"t\.csv has no column 'z'; its columns are x, y"):
        find_target(pa.table({"x": [1], "y": [2]}), "z", "t.csv")


def test_what_cannot_be_a_target_is_not_to_be_dropped() -> None:
    """The advice for other columns, --drop, would be wrong."""
    for cells in (["-3e38", "3e38", "1.5"], [datetime.date(2020, 1, 1)]):
        with pytest.raises(TableError) as raised:
            found(cells, "regression")
        assert "--drop" not in str(raised.value)


def test_values_as_people_write_them() -> None:
    target = found(["$1,234.50", "$7.25", "($3)", ""])
    assert (target.task, target.values.tolist()) == ("regression", [1234.5, 7.25, -3])
    table = pa.table({"y": ["1.234", "2.345", "5"]}).replace_schema_metadata({"decimal": ","})
    assert find_target(table, "y", "t.csv", "regression").values.tolist() == [1234, 2345, 5]
    codes = found(["007", "08", "007", "08"])
    assert codes.labels == ("007", "08")


def test_in_one_line() -> None:
    assert repr(found(["a", "", "b"])) == "Target('y', binary_classification, 2 rows, 2 classes)"
    assert repr(found([1.5, 2.5, 3.5])) == "Target('y', regression, 3 rows)"


@pytest.mark.parametrize("cells", [["10.5", "9.5", "100.5", "9.5"], [10.5, 9.5, 100.5, 9.5]])
def test_rows_keep_their_class_where_numbers_are_in_another_order_than_their_texts(cells: Any) -> None:
    target = found(cells, "classification")
    assert target.labels == (9.5, 10.5, 100.5)
    assert answers(target) == [10.5, 9.5, 100.5, 9.5]
