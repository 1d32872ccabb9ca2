"""Dates as a network takes them, against datetime and numpy's calendar."""

import datetime
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE, date_seconds
from edge_runtime.contract.signature import Feature
from edge_train.networks.date_columns import (
    MONTH_DAYS,
    MONTHS,
    PARTS,
    DateColumns,
    days_and_seconds,
    varying,
    weekday,
    year_and_day,
)

DAY = 86400
# Of the columns behind time elapsed: the year, sine and cosine of the season, the months, the day of the month, the
# weekdays, sine and cosine of the hours.
YEAR, SEASON, MONTH, MONTH_DAY, WEEKDAY, HOUR = (
    slice(0, 1),
    slice(1, 3),
    slice(3, 15),
    slice(15, 16),
    slice(16, 23),
    slice(23, 27),
)


class Calendar(nn.Module):
    """All that the network finds in the calendar, stacked."""

    def forward(self, date: Tensor) -> Tensor:
        days, seconds = days_and_seconds(date.clamp(FIRST_SECOND, LAST_SECOND))
        year, day = year_and_day(days)
        return torch.stack([year, day, weekday(days), seconds // 3600])


def seconds(*texts: str) -> Any:
    """Shape (texts,)."""
    return np.array([MISSING_DATE if text == "" else date_seconds(text) for text in texts])


def column(*texts: str, missing: float = 0.0, **kinds: Any) -> DateColumns:
    """The columns of one feature, fitted to these dates."""
    dates = seconds(*texts)[:, None]
    columns = DateColumns([Feature("when", "date", missing=missing, **kinds)], varying(dates))
    columns.fit(dates)
    return columns


def columns_of(found: DateColumns, *texts: str) -> Any:
    return found(torch.from_numpy(seconds(*texts)[:, None])).numpy()


def test_every_day_of_the_years_1_to_9999() -> None:
    first, last = datetime.date.min.toordinal(), datetime.date.max.toordinal()
    days = np.arange(first, last + 1) - datetime.date(1970, 1, 1).toordinal()
    year, day, of_week, hour = Calendar()(torch.from_numpy(days * DAY)).numpy()
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    assert (year == dates.astype("datetime64[Y]").astype(int) + 1970).all()
    assert (MONTHS[day] == months.astype(int) % 12 + 1).all()
    assert (MONTH_DAYS[day] == (dates - months).astype(int) + 1).all()
    assert (of_week == (np.arange(first, last + 1) + 6) % 7).all()
    assert (hour == 0).all()
    for place in (0, 58, 59, 719162, len(days) - 1):
        date = datetime.date.fromordinal(first + place)
        found = (year[place], MONTHS[day[place]], MONTH_DAYS[day[place]], of_week[place])
        assert found == (date.year, date.month, date.day, date.weekday())


@given(st.datetimes())
def test_every_second(moment: datetime.datetime) -> None:
    year, day, of_week, hour = (int(part) for part in Calendar()(torch.tensor(date_seconds(moment))))
    assert (year, MONTHS[day], MONTH_DAYS[day]) == (moment.year, moment.month, moment.day)
    assert (of_week, hour) == (moment.weekday(), moment.hour)


def test_what_the_columns_are() -> None:
    times = ["2024-01-31 00:30", "2025-07-04 06:00", "2026-12-25 18:59:59"]
    columns = DateColumns([Feature("when", "date", missing=0.0)])
    columns.fit(seconds(*times)[:, None])
    found = columns_of(columns, *times)
    assert columns.width == found.shape[1] == 1 + PARTS
    assert columns.origin.item() == seconds(times[1])[0]
    elapsed, found = found[:, 0], found[:, 1:]
    known = (seconds(*times) - seconds(times[1])).astype(np.float64)
    standard = (known - known.mean()) / known.std()
    np.testing.assert_allclose(elapsed, standard / np.sqrt(1 + (standard / 10) ** 2), atol=1e-6)
    assert found[:, YEAR].ravel() == pytest.approx([-1.216, 0, 1.216], abs=0.01)
    angles = 2 * np.pi * np.array([336, 125, 299]) / 365.2425
    np.testing.assert_allclose(found[:, SEASON], np.stack([np.sin(angles), np.cos(angles)], 1), atol=1e-6)
    assert (found[:, MONTH].argmax(1) + 1).tolist() == [1, 7, 12]
    assert (found[:, MONTH].sum(1) == 1).all()
    np.testing.assert_allclose(found[:, MONTH_DAY].ravel(), [1, -0.8, 0.6])
    assert found[:, WEEKDAY].argmax(1).tolist() == [2, 4, 4]
    hours = 2 * np.pi * np.array([0, 6, 18]) / 24
    expected = np.stack([np.sin(hours), np.sin(2 * hours), np.cos(hours), np.cos(2 * hours)], 1)
    np.testing.assert_allclose(found[:, HOUR], expected, atol=1e-6)


def test_only_what_varies_is_taken() -> None:
    mondays = varying(seconds("2025-06-02", "2025-06-09")[:, None])[0]
    assert mondays.nonzero()[:, 0].tolist() == [1, 2, MONTH_DAY.start]
    hours = varying(seconds("2025-06-02 01:00", "2025-06-02 13:59")[:, None])[0]
    # Twice around, one o'clock is where thirteen o'clock is.
    assert hours.nonzero()[:, 0].tolist() == [HOUR.start, HOUR.start + 2]
    assert not varying(seconds("2025-06-02 01:00", "2025-06-02 01:59", "")[:, None]).any()
    years = varying(seconds("2025-06-02", "2031-06-02")[:, None])[0]
    assert years.nonzero()[:, 0].tolist() == [0]
    workdays = column("2025-06-02", "2025-06-03", "2025-06-05")
    assert workdays.width == 1 + 2 + 1 + 3
    monday, saturday = columns_of(workdays, "2025-06-02", "2025-06-07")
    assert monday[-3:].tolist() == [1, 0, 0]
    assert saturday[-3:].tolist() == [0, 0, 0]


def test_two_dates_of_which_different_parts_vary() -> None:
    dates = np.stack([seconds("2025-06-02", "2025-06-02", "2025-06-03"), seconds("1999-01-01", "2001-01-01", "")], 1)
    features = [Feature("sold", "date", missing=0.0), Feature("born", "date", missing=0.3)]
    columns = DateColumns(features, varying(dates))
    columns.fit(dates)
    found = columns(torch.from_numpy(dates)).numpy()
    # Elapsed twice, the year of `born`, its mark; of `sold` season, day of the month and weekdays, of `born` weekdays.
    assert found.shape == (3, columns.width) == (3, 4 + 2 + 1 + 2 + 2)
    np.testing.assert_allclose(found[:, 2], [-1, 1, 0], atol=0.01)
    assert found[:, 3].tolist() == [0, 0, 1]
    assert found[:, 7:9].tolist() == [[1, 0], [1, 0], [0, 1]]
    # 1999 began on a Friday and 2001 on a Monday; a missing date has half of each.
    assert found[:, 9:].tolist() == [[0, 1], [1, 0], [0.5, 0.5]]


def test_a_missing_date_has_the_means_of_training_and_a_mark() -> None:
    times = ["2025-01-01 06:00", "2025-03-01 12:00", "2025-03-02 12:00", "2026-07-01 18:00"]
    marked, unmarked = column(*times, "", missing=0.2), column(*times, missing=0.0)
    assert marked.width == unmarked.width + 1
    found = columns_of(marked, "", *times)
    assert (found[0, 0], found[0, 1]) == (0, 0)
    assert found[:, 2].tolist() == [1, 0, 0, 0, 0]
    np.testing.assert_allclose(found[0, 3:], found[1:, 3:].mean(0), atol=1e-6)
    np.testing.assert_allclose(columns_of(unmarked, "")[0, 2:], found[0, 3:], atol=1e-6)


def test_seconds_within_a_minute_are_told_apart() -> None:
    """As float32 numbers since 1970 they are the same."""
    times = [f"2025-06-02 12:00:{second:02}" for second in range(60)]
    found = columns_of(column(*times), *times)[:, 0]
    np.testing.assert_allclose(np.diff(found), np.diff(found).mean(), rtol=0.05)
    assert np.diff(found).min() > 0.05


def test_dates_that_stand_for_none_have_little_influence() -> None:
    times = [f"2025-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    clean, soiled = column(*times), column(*times, "9999-12-31", "0001-01-01")
    spans = [np.diff(columns_of(one, "2025-02-01", "2025-10-01")[:, 0])[0] for one in (soiled, clean)]
    assert 0.7 < spans[0] / spans[1] <= 1
    found = columns_of(soiled, "9999-12-31", "0001-01-01")[:, 0]
    np.testing.assert_allclose(found, [10, -10], atol=0.1)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_int64_is_answered(date: int) -> None:
    columns = DateColumns([Feature("when", "date", missing=0.1)])
    found = columns(torch.tensor([[date], [min(max(date, FIRST_SECOND), LAST_SECOND)]]))
    assert found.isfinite().all()
    if date != MISSING_DATE:
        assert torch.equal(found[0], found[1])


def test_a_date_that_is_the_same_everywhere() -> None:
    found = columns_of(column("2025-06-02", "2025-06-02"), "2025-06-02", "2026-01-01")
    assert found.shape == (2, 1)
    assert math.isclose(found[0, 0], 0)


def test_float64() -> None:
    """The reference of a verification: the same calendar, and time elapsed in more digits."""
    times = ["2025-01-01 06:00", "2026-03-01 12:00", "2027-03-02 12:00", "2031-07-01 18:00"]
    columns = column(*times)
    single = columns_of(columns, *times)
    double = columns_of(columns.double(), *times)
    assert double.dtype == np.float64
    assert (double[:, 2:].astype(np.float32) == single[:, 2:]).all()
    np.testing.assert_allclose(double[:, :2], single[:, :2], atol=1e-6)
