"""What columns are taken for, and what they may hold."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edge_train import Column, DroppedColumn, TableError, find_columns

TWO = datetime.datetime(2020, 1, 1)


def found(cells: Any, numeric: bool = False, categorical: bool = False) -> Column | DroppedColumn:
    table = pa.table({"c": cells})
    (column,) = find_columns(table, "t.csv", {"c"} if numeric else (), {"c"} if categorical else ())
    return column


def values(column: Column | DroppedColumn) -> list[Any]:
    assert isinstance(column, Column)
    return [None if gap else value for value, gap in zip(column.values.tolist(), column.gaps, strict=True)]


def words(column: Column | DroppedColumn) -> list[Any]:
    assert isinstance(column, Column)
    assert column.kind == "categorical"
    return [None if place < 0 else column.words[place] for place in column.values]


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (["1", "-2e3", " 3.5 "], "numeric", [1, -2000, 3.5]),
        (["1", "+2", "3"], "numeric", [1, 2, 3]),
        (["007", "010", "9"], "numeric", [7, 10, 9]),
        (["1", "", "NA", "N/A", "null", "NULL", "nan", "NaN", "?", " ? ", "NAN", "2"], "numeric", [1, *[None] * 10, 2]),
        (["true", "FALSE", "True", ""], "boolean", [1, 0, 1, None]),
        (["0", "1", "0"], "numeric", [0, 1, 0]),
        ([True, None, False], "boolean", [1, None, 0]),
        ([1, None, 3], "numeric", [1, None, 3]),
        ([1.5, None, float("nan")], "numeric", [1.5, None, None]),
        ([Decimal("1.25"), Decimal("2.50")], "numeric", [1.25, 2.5]),
        (pa.array([1, 255], pa.uint8()), "numeric", [1, 255]),
        (pa.array([1, 2**63], pa.uint64()), "numeric", [1, 2**63]),
        (np.array([1, 2], np.float16), "numeric", [1, 2]),
        (pa.array([5, 6, 5]).dictionary_encode(), "numeric", [5, 6, 5]),
    ],
)
def test_numbers_and_truths(cells: Any, kind: str, expected: list[Any]) -> None:
    column = found(cells)
    assert isinstance(column, Column)
    assert (column.kind, column.values.dtype) == (kind, np.float32)
    assert values(column) == expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["b", " a ", "b", "?"], ["b", "a", "b", None]),
        (["日本", "ü", "日本"], ["日本", "ü", "日本"]),
        (["2020-01-01", "2020-01-02"], ["2020-01-01", "2020-01-02"]),
        (["true", "false", "maybe"], ["true", "false", "maybe"]),
        (["1", "x", "y"], ["1", "x", "y"]),
        (["--5", "-6"], ["--5", "-6"]),
        (["two\nlines", "one"], ["two\nlines", "one"]),
        (pa.array(["b", "a"], pa.large_string()), ["b", "a"]),
        (pa.array(["b", "a"]).dictionary_encode(), ["b", "a"]),
    ],
)
def test_categories(cells: Any, expected: list[Any]) -> None:
    column = found(cells)
    assert words(column) == expected
    assert isinstance(column, Column)
    assert list(column.words) == sorted(column.words)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["10", "9", "-1", ""], [10, 9, -1, None]),
        (["007", "7"], ["007", "7"]),
        (["-0", "0"], ["-0", "0"]),
        (["1.0", "2"], ["1.0", "2"]),
        (["9" * 5000, "1"], ["9" * 5000, "1"]),
        ([10, 9, None], [10, 9, None]),
        ([10.0, 9.0, None, float("nan")], [10, 9, None, None]),
        ([0.5, 2.0], ["0.5", "2"]),
        (np.array([0.1, 2], np.float32), ["0.1", "2"]),
        ([float("inf"), 2.0], ["inf", "2"]),
        ([Decimal("1.25"), Decimal("2.00")], ["1.25", "2"]),
        ([True, False, None], ["true", "false", None]),
        (["1", "1"], [1, 1]),
    ],
)
def test_said_to_be_categories(cells: Any, expected: list[Any]) -> None:
    assert words(found(cells, categorical=True)) == expected


def test_said_to_be_numbers() -> None:
    assert values(found([True, False], numeric=True)) == [1, 0]
    assert values(found(["5", "5"], numeric=True)) == [5, 5]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["", "NA"], "no value"),
        ([None, None], "no value"),
        (["5", "5", "5"], "the same value"),
        (["x", "x"], "the same value"),
        (["true", "true"], "the same value"),
        ([TWO, TWO], "dates and times"),
        ([TWO.date(), None], "dates and times"),
        ([TWO.time(), None], "dates and times"),
        ([TWO - TWO, None], "dates and times"),
        ([[1], [2]], "list"),
        ([{"a": 1}, {"a": 2}], "struct"),
        ([b"x", b"y"], "binary"),
        ([f"customer {number}" for number in range(21)], "21 different texts"),
    ],
)
def test_left_out(cells: Any, reason: str) -> None:
    column = found(cells)
    assert isinstance(column, DroppedColumn)
    assert reason in column.reason


def test_texts_that_name_rows_are_told_from_categories_by_how_often_they_come() -> None:
    assert isinstance(found([f"id {number}" for number in range(20)]), Column)
    assert isinstance(found([f"id {number % 30}" for number in range(60)]), Column)
    assert isinstance(found([f"id {number % 31}" for number in range(60)]), DroppedColumn)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "2", "", "1O", "5"], r"t\.csv row 4: c is '1O': no number .* --categorical 'c'"),
        (["1", "2", "1_000"], "row 3: c is '1_000': no number"),
        (["1", "2", "1,5"], "row 3"),
        (["1", "2", "1\0"], "row 3"),
        (["1", "inf"], "row 2: c is 'inf': a finite number"),
        ([1.0, float("-inf")], "row 2: c is -inf: a finite number"),
        (["1", "1e300"], "row 2: c is '1e300': a finite number that float32 holds"),
        (["1", "1e400"], "row 2"),
        (["1", "9" * 5000], "row 2: c is '999"),
        ([str(1_700_000_000 + second) for second in range(60)], "float32 cannot tell its values apart"),
        (["-3e38", "3e38"], "float32 does not hold how far"),
        (["NAN", "NAN"], "no value in any row"),
        (["u\0", "v", "w"], r"row 1: c is 'u\\x00'"),
    ],
)
def test_refused(cells: Any, message: str) -> None:
    with pytest.raises(TableError, match=message) as raised:
        found(cells)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["x", "1"], "row 1: c is 'x'"),
        ([TWO, TWO], "timestamp.*no numbers; leave it out with --drop"),
        ([[1], [2]], "no numbers"),
        (["", ""], "no value in any row"),
        ([None, None], "no value in any row"),
    ],
)
def test_refused_as_numbers(cells: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        found(cells, numeric=True)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([TWO, TWO], "no categories"),
        (["", ""], "no value in any row"),
        ([None, None], "--drop"),
    ],
)
def test_refused_as_categories(cells: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        found(cells, categorical=True)


def test_seconds_of_a_year_are_numbers_that_float32_can_tell_apart_well_enough() -> None:
    column = found([1_700_000_000 + 86_400 * day for day in range(366)])
    assert isinstance(column, Column)
    assert len(np.unique(column.values)) > 300
