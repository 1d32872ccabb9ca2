"""Dates in text and as objects, as seconds since 1970-01-01 UTC."""

import datetime
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import InvalidInput
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE, date_seconds, date_text, parse_date
from edge_runtime.contract.signature import Order

DAY = 86400
# 2025-12-31 14:30:00
THEN = 1767191400

dates = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59))
orders: st.SearchStrategy[Order] = st.sampled_from(get_args(Order))


def seconds_of(moment: datetime.datetime) -> int:
    return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "order", "seconds"),
    [
        *(
            (text, "ymd", 0)
            for text in ("1970-01-01", "1970-01-01T00:00:00Z", "1970/1/1", "1970.01.01", " 1970-01-01 ")
        ),
        *(
            (f"2025-12-31{rest}", order, THEN)
            for order in ("ymd", "dmy", "mdy")
            for rest in (
                "T14:30",
                " 14:30:00",
                "t14:30:00.999",
                "T14:30:00,5Z",
                "  14:30:00z",
                " 14:30 UTC",
                "T15:30+01",
                "T15:30:00+0100",
                "T09:00:00.25-05:30",
                " 2:30 PM",
                " 02:30:00 pm",
                ", 2:30PM",
                " 14:30:00+00:00",
            )
        ),
        *((text, "dmy", THEN) for text in ("31.12.2025 14:30", "31/12/2025 14:30:00", "31-12-2025T14:30")),
        *((text, "mdy", THEN) for text in ("12/31/2025 2:30 PM", "12-31-2025 14:30", "12/31/2025, 2:30:00 PM")),
        ("1.2.1970", "dmy", 31 * DAY),
        ("1/2/1970", "mdy", DAY),
        ("12/31/2025 12:00 AM", "mdy", THEN - 52200),
        ("12/31/2025 12:30 PM", "mdy", THEN - 7200),
        ("1969-12-31T23:59:59.5", "ymd", -1),
        ("0001-01-01", "ymd", FIRST_SECOND),
        ("9999-12-31T23:59:59.999", "ymd", LAST_SECOND),
        ("2024-02-29", "ymd", 1709164800),
    ],
)
def test_text(text: str, order: Order, seconds: int) -> None:
    assert parse_date(text, order) == date_seconds(text, order) == seconds


@pytest.mark.parametrize(
    ("text", "order", "message"),
    [
        ("31.12.25", "dmy", "'31.12.25' is not a date written like 2025-12-31 or 31.12.2025"),
        ("31.12.2025", "ymd", "'31.12.2025' is not a date written like 2025-12-31"),
        ("12/31/2025", "dmy", "'12/31/2025' is not a date, read as day, month, year: month must be in 1..12"),
        ("31/12/2025", "mdy", "'31/12/2025' is not a date, read as month, day, year: month must be in 1..12"),
        ("2025-02-29", "ymd", "'2025-02-29' is not a date: day is out of range for month"),
        ("2025-12-31T24:00", "ymd", "'2025-12-31T24:00' is not a date: hour must be in 0..23"),
        ("2025-12-31 13:00 PM", "ymd", "'2025-12-31 13:00 PM' is not a date: hour must be in 1..12 before AM and PM"),
        (
            "2025-12-31T10:00+24:00",
            "ymd",
            "'2025-12-31T10:00+24:00' is not a date: the offset must be less than 24 hours",
        ),
        ("0001-01-01T00:00+01:00", "ymd", "0001-01-01T00:00+01:00 is not in the years 1 to 9999"),
    ],
)
def test_text_that_is_not_a_date(text: str, order: Order, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_date(text, order)
    # Newer versions of Python add the value that they found.
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2025",
        "2025-12",
        "20251231",
        "2025-12/31",
        "31.12/2025",
        "0000-01-01",
        "2025-12-31T",
        "2025-12-31 1430",
        "12345",
        *[
            "2025-12-31T14:30:00.",
            "2025-12-31Z",
            "2025-12-31\n14:30 X",
            "1" * 10000,
            "2025-12-31" + " " * 10000,
            "٢٠٢٥-12-31",
        ][:4],
    ],
)
def test_other_text(text: str) -> None:
    for order in get_args(Order):
        with pytest.raises(InvalidInput, match="is not a date") as raised:
            parse_date(text, order)
        assert len(str(raised.value).splitlines()) == 1


@given(dates, orders)
def test_every_way_to_write_a_date(moment: datetime.datetime, order: Order) -> None:
    seconds = seconds_of(moment)
    numbers = {"ymd": "%Y.%m.%d", "dmy": "%d.%m.%Y", "mdy": "%m/%d/%Y"}[order]
    day = numbers.replace("%Y", f"{moment.year:04}").replace("%m", str(moment.month)).replace("%d", str(moment.day))
    for text in (
        moment.isoformat(),
        moment.isoformat(" ") + "Z",
        f"{day} {moment:%H:%M:%S}",
        f"{day} {moment:%I:%M:%S %p}",
    ):
        assert parse_date(text, order) == seconds
    assert date_seconds(moment, order) == seconds
    assert date_seconds(moment.date()) == seconds // DAY * DAY
    assert parse_date(date_text(seconds)) == seconds
    for unit in ("s", "ms", "us"):
        assert date_seconds(np.datetime64(moment, unit)) == seconds


@given(dates, st.integers(-1439, 1439))
def test_offsets_are_taken_off(moment: datetime.datetime, minutes: int) -> None:
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    seconds = seconds_of(moment) - 60 * minutes
    aware = moment.replace(tzinfo=zone)
    if FIRST_SECOND <= seconds <= LAST_SECOND:
        assert date_seconds(aware) == parse_date(aware.isoformat()) == seconds
    else:
        for value in (aware, aware.isoformat()):
            with pytest.raises(InvalidInput, match="is not in the years 1 to 9999"):
                date_seconds(value)


def test_objects() -> None:
    for value in (np.datetime64("2025-12-31T14:30:00.999999999"), np.array("2025-12-31T14:30", "M8[m]")):
        assert date_seconds(value) == THEN
    assert date_seconds(np.datetime64("1969-12-31T23:59:59.5")) == -1
    assert date_seconds(np.datetime64("2025")) == date_seconds(datetime.date(2025, 1, 1)) == 1735689600
    assert np.datetime64("NaT").astype(np.int64) == MISSING_DATE


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    assert date_seconds(pandas.Timestamp("2025-12-31 14:30:00.123456789")) == THEN
    assert date_seconds(pandas.Timestamp("2025-12-31 15:30", tz="Europe/Berlin")) == THEN
    assert date_seconds(pandas.Timestamp("1969-12-31 23:59:59.5")) == -1


@pytest.mark.parametrize(
    "value",
    [
        0,
        1767191400,
        1.5,
        True,
        np.int64(5),
        b"2025-12-31",
        datetime.time(1),
        np.timedelta64(1, "s"),
        [],
        {},
        np.array(["2025-12-31"], "M8[D]"),
        np.datetime64(10**12, "Y"),
        np.datetime64(-2000, "Y"),
        np.datetime64(10**9, "D"),
    ],
)
def test_what_is_not_a_date(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"is not a date; write it like '2025-12-31'|is not in the years 1 to 9999"):
        date_seconds(value)


def test_seconds_in_text() -> None:
    assert [date_text(one) for one in (0, -1, THEN, 86399.75)] == [
        "1970-01-01",
        "1969-12-31 23:59:59",
        "2025-12-31 14:30:00",
        "1970-01-01 23:59:59",
    ]
    assert date_text(1e20) == "1e+20 seconds since 1970"
