"""What columns are taken for, and what they may hold."""

import datetime
import shlex
import weakref
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edge_train import Column, DroppedColumn, TableError, find_columns
from edge_train.table import conversions
from edge_train.table.columns import no_such_column
from edge_train.table.raw_column import RawColumn

NEW_YEAR = datetime.datetime(2020, 1, 1)


def found(cells: Any, numeric: bool = False, categorical: bool = False) -> Column | DroppedColumn:
    table = pa.table({"c": cells})
    (column,) = find_columns(table, "t.csv", {"c"} if numeric else (), {"c"} if categorical else ())
    return column


def values(column: Column | DroppedColumn) -> list[Any]:
    assert isinstance(column, Column)
    return [None if missing else value for value, missing in zip(column.values.tolist(), column.missing, strict=True)]


def categories(column: Column | DroppedColumn) -> list[Any]:
    assert isinstance(column, Column)
    assert column.kind == "categorical"
    assert column.values.dtype == np.int32
    return [None if place < 0 else column.categories[place] for place in column.values]


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (["1", "-2e3", " 3.5 "], "numeric", [1, -2000, 3.5]),
        (["1", "+2", "3"], "numeric", [1, 2, 3]),
        (["1", "\uff12", "", "3"], "numeric", [1, 2, None, 3]),  # wide digits, to Python
        (["5", "6"], "numeric", [5, 6]),
        (["007.5", "010", "9"], "numeric", [7.5, 10, 9]),
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
def test_numbers_and_booleans(cells: Any, kind: str, expected: list[Any]) -> None:
    column = found(cells)
    assert isinstance(column, Column)
    assert (column.kind, column.values.dtype) == (kind, np.dtype(np.float32))
    assert values(column) == expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["b", " a ", "b", "?"], ["b", "a", "b", None]),
        (["日本", "ü", "日本"], ["日本", "ü", "日本"]),
        (["007", "010", "9"], ["007", "010", "9"]),
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
    assert categories(column) == expected
    assert isinstance(column, Column)
    assert list(column.categories) == sorted(column.categories)


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
def test_taken_as_categories(cells: Any, expected: list[Any]) -> None:
    assert categories(found(cells, categorical=True)) == expected


def test_taken_as_numbers() -> None:
    assert values(found([True, False], numeric=True)) == [1, 0]
    assert values(found(["5", "5"], numeric=True)) == [5, 5]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["", "NA"], "no value"),
        ([None, None], "no value"),
        (["5", "5", "5"], "the same value"),
        (["5"], "the same value"),
        (["x", "x"], "the same value"),
        (["true", "true"], "the same value"),
        ([NEW_YEAR, NEW_YEAR], "the same value"),
        ([NEW_YEAR.time(), None], "columns of type time64"),
        ([NEW_YEAR - NEW_YEAR, None], "columns of type duration"),
        ([[1], [2]], "columns of type list"),
        ([{"a": 1}, {"a": 2}], "columns of type struct"),
        ([b"x", b"y"], "columns of type binary"),
        ([f"customer {number}" for number in range(21)], "21 different strings"),
    ],
)
def test_dropped(cells: Any, reason: str) -> None:
    column = found(cells)
    assert isinstance(column, DroppedColumn)
    assert reason in column.reason


def test_strings_that_name_rows_are_told_from_categories_by_how_many_rows_share_theirs() -> None:
    assert isinstance(found([f"id {number}" for number in range(20)]), Column)
    # Of 60 rows, 12 share their string with another: a fifth.
    shared = ["id 0"] * 12 + [f"id {number}" for number in range(1, 49)]
    assert isinstance(found(shared), Column)
    assert isinstance(found([*shared[1:], "id 49"]), DroppedColumn)
    # Rows without a value do not count.
    assert isinstance(found([*shared, *[""] * 60]), Column)
    assert isinstance(found([*shared[1:], "id 49", *[""] * 60]), DroppedColumn)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "2", "", "1O", "5"], r"t\.csv row 4: c is '1O', not a number; .* --categorical c$"),
        (["1", "2", "1_000"], "row 3: c is '1_000', not a number"),
        (["1", "2.5", "1,5"], "row 3"),
        (["1", "2", "1\0"], "row 3"),
        (["1", "inf"], "row 2: c is 'inf', not a finite number"),
        ([1.0, float("-inf")], "row 2: c is -inf, not a finite number"),
        (["1", "1e300"], "row 2: c is '1e300', not a finite number within float32's range"),
        (["1", "1e400"], "row 2"),
        (["1", "9" * 5000], "row 2: c is '999"),
        (
            [str(1_700_000_000 + second) for second in range(60)],
            r"float32 cannot tell its values apart; subtract .*, or drop the column with --drop c$",
        ),
        (["-3e38", "3e38"], r"float32 holds; divide .*, or drop the column with --drop c$"),
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
        ([NEW_YEAR, NEW_YEAR], "timestamp.*, not numbers; drop the column with --drop c$"),
        ([[1], [2]], r"holds list.*, not numbers"),
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
        ([NEW_YEAR, NEW_YEAR], "cannot be categories; drop the column with --drop c$"),
        (["", ""], "no value in any row"),
        ([None, None], r"c has no value in any row; drop the column with --drop c$"),
    ],
)
def test_refused_as_categories(cells: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        found(cells, categorical=True)


def test_float32_can_tell_the_days_of_a_year_in_seconds_apart_well_enough() -> None:
    column = found([1_700_000_000 + 86_400 * day for day in range(366)])
    assert isinstance(column, Column)
    assert len(np.unique(column.values)) > 300


def test_an_advice_can_be_pasted_into_a_shell() -> None:
    table = pa.table({"Support calls": ["1", "2", "x", "3"]})
    with pytest.raises(TableError, match=r"with --categorical 'Support calls'$"):
        find_columns(table, "t.csv")
    table = pa.table({"it's": [NEW_YEAR]})
    with pytest.raises(TableError) as raised:
        find_columns(table, "t.csv", numeric={"it's"})
    assert shlex.split(str(raised.value).partition("; drop the column with ")[2]) == ["--drop", "it's"]


def test_no_such_column() -> None:
    assert str(no_such_column("t.csv", "specis", ["species", "mass"])) == (
        "t.csv has no column 'specis'; did you mean 'species'?"
    )
    assert str(no_such_column("t.csv", "z", ["x", "y"])) == "t.csv has no column 'z'; its columns are x, y"
    many = str(no_such_column("t.csv", "z", [f"column {number}" for number in range(1000)]))
    assert many.endswith("[...]")
    assert len(many) < 400


def test_in_one_line() -> None:
    assert repr(found(["1", "", "3"])) == "Column('c', numeric, 3 rows, 1 missing)"
    assert repr(found(["b", "a", "b"])) == "Column('c', categorical, 3 rows, 0 missing, 2 categories)"
    assert repr(found(["b", "b"])) == "DroppedColumn(name='c', reason='the same value in every row', warning='')"


def test_the_memory_of_a_column_is_freed_once_it_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a large table would be in memory twice."""
    arrays = {f"c{place}": np.arange(3.0) + place for place in range(10)}
    originals = [weakref.ref(array) for array in arrays.values()]
    # Arrow takes numpy's memory as it is.
    only_reference = [pa.table({name: pa.array(array) for name, array in arrays.items()})]
    arrays.clear()
    alive: list[int] = []
    converted = conversions.numbers

    def numbers(raw: RawColumn) -> Any:
        alive.append(sum(original() is not None for original in originals))
        return converted(raw)

    monkeypatch.setattr(conversions, "numbers", numbers)
    find_columns(only_reference.pop(), "t.csv")
    assert alive == list(range(10, 0, -1))
