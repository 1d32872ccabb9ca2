"""How numbers are written, found from whole columns."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contract.notation import Notation
from edge_train import Column, DroppedColumn, TableError, find_columns
from edge_train.table.number_forms import number_form


def found(cells: Any, decimal: str | None = None, **kinds: Any) -> Column | DroppedColumn:
    (column,) = find_columns(pa.table({"c": cells}), "t.csv", decimal=decimal, **kinds)
    return column


@pytest.mark.parametrize(
    ("cells", "notation", "expected"),
    [
        (
            ["$926.40", "$1,234.50", "-$5", "$-6", "($7.25)", "1,000"],
            Notation(".", ",", "$"),
            [926.4, 1234.5, -5, -6, -7.25, 1000],
        ),
        (["16.4%", "3 %", "-2.5%"], Notation(suffix="%"), [16.4, 3, -2.5]),
        (["5\u2030", "1\u2030"], Notation(suffix="\u2030"), [5, 1]),
        (["1.234,50 €", "99,90 €", "1.234.567,00 €"], Notation(",", ".", suffix="€"), [1234.5, 99.9, 1234567]),
        (["5 €", "€6", "7"], Notation(prefix="€", suffix="€"), [5, 6, 7]),
        (["USD 5", "USD 1,000.5"], Notation(".", ",", "USD"), [5, 1000.5]),
        (["US$5", "US$6.5"], Notation(prefix="US$"), [5, 6.5]),
        (["Fr. 5", "Fr.6.50"], Notation(prefix="Fr."), [5, 6.5]),
        (["5 CHF", "1'234.5 CHF", "1\u2019000 CHF"], Notation(".", "'", suffix="CHF"), [5, 1234.5, 1000]),
        (["1 234", "12", "1\u202f234\u202f567", "1\u00a0000,5"], Notation(",", " "), [1234, 12, 1234567, 1000.5]),
        (["5 kg", "7.5kg", "8"], Notation(suffix="kg"), [5, 7.5, 8]),
        (["100 km/h", "90 km/h"], Notation(suffix="km/h"), [100, 90]),
        (["$.50", "$1"], Notation(prefix="$"), [0.5, 1]),
        (["\u22125", "3"], Notation(), [-5, 3]),
        (["(5)", "3"], Notation(), [-5, 3]),
        (["0,5", "1,234", "7"], Notation(","), [0.5, 1.234, 7]),
        (["1,234", "0,123"], Notation(","), [1.234, 0.123]),
        (["999.99", "1,234.50"], Notation(".", ","), [999.99, 1234.5]),
        (["1,234,567", "8"], Notation(".", ","), [1234567, 8]),
        (["1.234.567", "1.234"], Notation(",", "."), [1234567, 1234]),
        (["1e5", "2e-3"], None, [1e5, 2e-3]),
        (["$1e3", "$2"], Notation(prefix="$"), [1000, 2]),
    ],
)
def test_notations(cells: list[str], notation: Notation | None, expected: list[float]) -> None:
    column = found(cells)
    assert isinstance(column, Column)
    assert (column.kind, column.notation, column.warning) == ("numeric", notation, "")
    assert column.values.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cells", "decimal", "notation", "first"),
    [
        (["1,234", "2,345"], None, Notation(".", ","), 1234),
        (["1,234", "2,345"], ".", Notation(".", ","), 1234),
        (["1,234", "2,345"], ",", Notation(","), 1.234),
        (["1.234", "2.345"], None, None, 1.234),
        (["1.234", "2.345"], ".", None, 1.234),
        (["1.234", "2.345"], ",", Notation(",", "."), 1234),
        # No amount has three decimals.
        (["€1.234", "€12.500", "€7"], None, Notation(",", ".", "€"), 1234),
        (["€1.234", "€12.500", "€7"], ".", Notation(prefix="€"), 1.234),
        (["€1.5", "€12.500"], None, Notation(prefix="€"), 1.5),
        (["1", "2"], ",", Notation(","), 1),
        (["1", "2"], ".", None, 1),
        # The column itself says otherwise.
        (["1.5", "2.25"], ",", None, 1.5),
        (["1,5", "2,25"], ".", Notation(","), 1.5),
    ],
)
def test_the_files_decimal_mark_decides_where_nothing_else_does(
    cells: list[str], decimal: str | None, notation: Notation | None, first: float
) -> None:
    column = found(cells, decimal)
    assert isinstance(column, Column)
    assert column.notation == notation
    assert column.values[0] == pytest.approx(first)


def test_the_decimal_mark_that_was_read_is_that_of_all_columns() -> None:
    table = pa.table({"c": ["1.234", "2.345"]})
    for mark, first in ((None, 1.234), (".", 1.234), (",", 1234)):
        (column,) = find_columns(table.replace_schema_metadata(mark and {"decimal": mark}), "t.csv")
        assert isinstance(column, Column)
        assert column.values[0] == pytest.approx(first)


def test_what_may_be_read_otherwise_is_shown() -> None:
    written = [
        getattr(found(cells), "written", None) for cells in (["1,234", "2,345"], ["€1.234", "€7"], ["1,234", "1,5"])
    ]
    assert written == [
        "1,234 = 1234 (--decimal comma if it is not)",
        "€1.234 = 1234 (--decimal point if it is not)",
        "1,234",
    ]


@pytest.mark.parametrize(
    "cells",
    [
        ["12 Main St", "5 Oak Rd", "7 Elm St"],
        ["Q1", "Q2"],
        ["ID123", "ID456"],
        ["5a", "6a", "7b", "8b"],
        ["10:300", "11:450"],
        ["1-2", "3-4"],
        ["12,34,567", "1,00,000"],
        ["--5", "-6"],
        ["1,2,3", "4,5"],
        ["v1.2.3", "v1.3.0"],
        ["1.2.3", "1.3.0"],
    ],
)
def test_no_numbers(cells: list[str]) -> None:
    column = found(cells)
    assert isinstance(column, Column)
    assert (column.kind, column.warning) == ("categorical", "")


def test_two_currencies_are_no_numbers() -> None:
    few, many = found(["$5", "€6", "$7"]), found([f"{'$€'[place % 2]}{place}" for place in range(50)])
    assert isinstance(few, Column)
    assert few.kind == "categorical"
    assert few.warning.startswith(
        "c is taken as categories although it looks like numbers: its numbers have different units, $ and €;"
    )
    assert isinstance(many, DroppedColumn)
    assert many.warning.endswith("write one unit, or --categorical c keeps it as strings")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["$5", "$6", "free"], r"row 3: c is 'free', not a number written like '\$1234.50'; fix the cell, or take"),
        (["$1,000.5", "$6", "1,00"], "row 3: c is '1,00'"),
        (["5", "6", "7%"], "row 3: c is '7%', not a number"),
        (
            [*(f"{place}%" for place in range(30)), "7", "8 kg"],
            "row 32: c is '8 kg', not a number written like '1234.50%'",
        ),
        (["1,5", "2,5", "3.5"], "row 3: c is '3.5', not a number written like '1234,50'"),
    ],
)
def test_slips_are_named(cells: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        found(cells)


def test_numbers_that_the_user_says() -> None:
    assert isinstance(column := found(["007", "010"], numeric=["c"]), Column)
    assert (column.kind, column.values.tolist()) == ("numeric", [7, 10])
    with pytest.raises(
        TableError,
        match=r"c cannot be read as numbers: .* different units, \$ and €; write one unit, or drop the",
    ):
        found(["$5", "€6", "$7"], numeric=["c"])


AMOUNTS = st.lists(st.decimals(-(10**7), 10**7, places=2).map(float), min_size=4, max_size=20, unique=True)


@given(
    AMOUNTS, st.sampled_from([".", ","]), st.sampled_from(["", ".", ",", "'", " "]), st.sampled_from(["$", "", "USD"])
)
def test_every_notation_is_found_again(numbers: list[float], decimal: str, grouping: str, prefix: str) -> None:
    notation = Notation(decimal, grouping if grouping != decimal else "", prefix)
    numbers += [1234567.25, -0.5]
    words = pa.array([notation.format(number) for number in dict.fromkeys(numbers)])
    form = number_form(words, None)
    assert form.share == 1
    assert [(form.notation or Notation()).parse(word) for word in words.to_pylist()] == list(dict.fromkeys(numbers))
