"""Columns of dates."""

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contract.dates import MISSING_DATE, date_seconds, parse_date
from edge_train import Column, DroppedColumn, TableError, find_columns

NOON = datetime.datetime(2025, 12, 31, 12)


def found(cells: Any, **kinds: Any) -> Column | DroppedColumn:
    (column,) = find_columns(pa.table({"c": cells}), "t.csv", **kinds)
    return column


def dates(column: Column | DroppedColumn) -> list[Any]:
    assert isinstance(column, Column)
    assert column.kind == "date"
    assert column.values.dtype == np.int64
    assert (column.missing == (column.values == MISSING_DATE)).all()
    return [None if value == MISSING_DATE else str(np.datetime64(value, "s")) for value in column.values.tolist()]


@pytest.mark.parametrize(
    ("cells", "order", "expected"),
    [
        (["2025-12-31", " 2024-02-29 ", ""], "ymd", ["2025-12-31T00:00:00", "2024-02-29T00:00:00", None]),
        (["2025-12-31 23:59:59.9", "0001-01-01"], "ymd", ["2025-12-31T23:59:59", "0001-01-01T00:00:00"]),
        (["2025-12-31T10:00Z", "2025-12-31T10:00+02:00"], "ymd", ["2025-12-31T10:00:00", "2025-12-31T08:00:00"]),
        (["2025/12/31", "2024/1/2"], "ymd", ["2025-12-31T00:00:00", "2024-01-02T00:00:00"]),
        (["1.2.2025", "3.4.2025 14:30"], "dmy", ["2025-02-01T00:00:00", "2025-04-03T14:30:00"]),
        (
            ["31/12/2025", "01/02/2025", "2025-03-04"],
            "dmy",
            [f"2025-{day}T00:00:00" for day in ("12-31", "02-01", "03-04")],
        ),
        (["12/31/2025 3:00 PM", "01/02/2025"], "mdy", ["2025-12-31T15:00:00", "2025-01-02T00:00:00"]),
        ([NOON, None, NOON.replace(microsecond=1)], "ymd", ["2025-12-31T12:00:00", None, "2025-12-31T12:00:00"]),
        ([NOON.date(), datetime.date(1969, 12, 31)], "ymd", ["2025-12-31T00:00:00", "1969-12-31T00:00:00"]),
        (pa.array([-1, 1], pa.timestamp("ns")), "ymd", ["1969-12-31T23:59:59", "1970-01-01T00:00:00"]),
        (
            pa.array([-1, 86_400_000], pa.timestamp("ms", "Europe/Berlin")),
            "ymd",
            ["1969-12-31T23:59:59", "1970-01-02T00:00:00"],
        ),
        (pa.array([0, 86_400_000], pa.date64()), "ymd", ["1970-01-01T00:00:00", "1970-01-02T00:00:00"]),
    ],
)
def test_dates(cells: Any, order: str, expected: list[Any]) -> None:
    column = found(cells)
    assert dates(column) == expected
    assert isinstance(column, Column)
    assert (column.order, column.warning) == (order, "")


@given(st.lists(st.datetimes(), min_size=2, max_size=20, unique=True), st.booleans())
def test_arrow_and_the_runtime_read_the_same(moments: list[datetime.datetime], as_text: bool) -> None:
    cells = [moment.isoformat(" ") for moment in moments] if as_text else moments
    column = found(cells if as_text else pa.array(cells, pa.timestamp("us")), dates=["c"])
    assert isinstance(column, Column)
    assert column.values.tolist() == [date_seconds(moment) for moment in moments]
    if as_text:
        assert column.values.tolist() == [parse_date(moment.isoformat(" ")) for moment in moments]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["01/02/2025", "03/04/2024"],
            "nothing in it says whether 01/02/2025 has the day or the month first; --date-order",
        ),
        (["13/02/2025", "03/14/2024", "01/01/2025"], "in some of its dates the day is before the month, in others"),
        (["31.12.25", "30.11.24"], "its dates have years of two digits; write them as 2025-12-31, or"),
        (["31 Dec 2025", "1 Jan 2024"], "its months are words; write them as 2025-12-31"),
        (["Dec 31, 2025", "January 1, 2024"], "its months are words; write them as 2025-12-31"),
        (["Wednesday, December 31, 2025", "Mon, 1 Jan 2024 10:20:30 GMT"], "its months are words; write them as"),
        (["2025-12", "2024-01"], "its dates have no days; write them as 2025-12-31, or"),
        (["12/2025", "1/2024"], "its dates have no days"),
        (["2025Q4", "2024 Q1", "2024-Q1", "Q2 2024"], "its dates have no days"),
        (["2025-W52", "2024 W01", "2024-W01-7"], "its dates have no days"),
        (["Dec 2025", "Jan-2024", "1960 Jan", "January 2024"], "its dates have no days"),
        (["20251231T102030", "20240101T1020Z"], "its dates have no marks; write them as 2025-12-31"),
        (["7:30", "23:59", "14:05:10.5", "2:30 PM"], "it has times of day alone; make them numbers, such as hours, or"),
    ],
)
def test_what_looks_like_dates_and_cannot_be_read_is_a_warning(cells: list[str], message: str) -> None:
    column = found(cells)
    assert isinstance(column, Column)
    assert column.warning.startswith(f"c is taken as categories although it looks like dates: {message}")
    assert column.warning.endswith("--categorical c confirms it")
    many = found([*cells, *(f"free text {place}" for place in range(len(cells) - 1)), *(cells * 30)])
    assert isinstance(many, Column)
    dropped = found([f"{day}/{month}/2025" for day in range(1, 8) for month in range(1, 8)])
    assert isinstance(dropped, DroppedColumn)
    assert dropped.warning.startswith("c is dropped although it looks like dates: nothing in it says")


def test_times_of_day_that_are_dropped_are_a_warning() -> None:
    dropped = found([f"{minute // 60}:{minute % 60:02}" for minute in range(0, 1440, 17)])
    assert isinstance(dropped, DroppedColumn)
    assert dropped.warning == (
        "c is dropped although it looks like dates: it has times of day alone; make them numbers, such as hours, or "
        "--categorical c keeps it as strings"
    )


@given(
    st.lists(st.datetimes(), min_size=2, max_size=20, unique=True),
    st.sampled_from(["dmy", "mdy"]),
    st.sampled_from(["", "%H:%M", "%H:%M:%S"]),
)
def test_dates_with_the_year_last_are_read_as_the_runtime_does(
    moments: list[datetime.datetime], order: Any, time: str
) -> None:
    cells = []
    for moment in moments:
        day = f"{moment.day}.{moment.month}" if order == "dmy" else f"{moment.month}.{moment.day}"
        cells.append(f"{day}.{moment.year:04} {moment.strftime(time)}".strip())
    # So that nothing else says the order.
    cells.append("28.2.2024" if order == "dmy" else "2.28.2024")
    column = found(cells)
    assert isinstance(column, Column)
    assert column.order == order
    assert column.values.tolist() == [parse_date(cell, order) for cell in cells]


def test_the_user_says_the_order() -> None:
    cells = ["01/02/2025", "03/04/2024"]
    assert dates(found(cells, date_order="mdy"))[0] == "2025-01-02T00:00:00"
    assert dates(found(cells, date_order="dmy", dates=["c"]))[0] == "2025-02-01T00:00:00"
    # Nothing but a column itself can say that its first date is the 31st.
    assert dates(found(["31/12/2025", "01/02/2025"], date_order="mdy"))[1] == "2025-02-01T00:00:00"
    with pytest.raises(
        TableError, match=r"c cannot be read as dates: .*; say which with --date-order dmy or --date-order mdy, or"
    ):
        found(cells, dates=["c"])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["2025-01-31", "2025-02-30", "2025-03-01"], "row 2: c is '2025-02-30', not a date: day is out of range"),
        (
            ["2025-01-31", "soon", "2025-03-01"],
            "row 2: c is 'soon', not a date written like 2025-12-31; fix the cell, empty it",
        ),
        (["2025-01-31", "0000-00-00", "2025-03-01"], "row 2: c is '0000-00-00', not a date"),
        (["31.01.2025", "29.02.2025"], "row 2: c is '29.02.2025', not a date"),
        (pa.array([0, 2**55], pa.timestamp("s")), "row 2: c is .*, not in the years 1 to 9999"),
    ],
)
def test_slips_are_named(cells: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        found(cells)


@pytest.mark.parametrize(("cells", "message"), [([1, 2], "holds int64, not dates"), (["", ""], "no value in any row")])
def test_refused_as_dates(cells: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        found(cells, dates=["c"])


def test_what_is_not_a_date() -> None:
    for cells in (
        ["24:30", "1:75", "4:3"],
        ["1.2.3", "1.3.0"],
        ["2025-13", "2025-14"],
        ["4711-01", "4711-02"],
        ["2025Q5", "Q0 2024"],
        ["mayor 2024", "Marchand 2025b"],
    ):
        column = found(cells)
        assert isinstance(column, Column)
        assert (column.kind, column.warning) == ("categorical", "")


def test_numbers_that_look_like_dates_are_a_warning() -> None:
    days = [int(f"{year}{month:02}{month + 16}") for year in (1899, 1975, 2025) for month in range(1, 13)]
    for cells in (days, list(map(str, days)), [*days, None]):
        column = found(cells)
        assert isinstance(column, Column)
        assert column.kind == "numeric"
        assert column.warning == (
            "c is taken as numbers although it looks like dates without marks, such as 18990117; "
            "write them as 1899-01-17"
        )
    for others in ([*days, 20251301], [*days, 20250232], [*days, 20250200], [*days, 20250101.5], days[:5], [5, *days]):
        column = found(others)
        assert isinstance(column, Column)
        assert column.warning == ""
    # float32 cannot tell those of one month apart.
    with pytest.raises(TableError, match="c holds dates without marks, such as 20250101; write them as 2025-01-01, or"):
        found(list(range(20250101, 20250132)))
