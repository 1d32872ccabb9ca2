"""Dates that a program is compared on: like those in training, and those at which calendars go wrong.

All are seconds since 1970-01-01 UTC, int64, as `edge_runtime.contract.dates` says.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE
from edge_runtime.contract.signature import Feature

_DAY = 86_400
# What dates are taken to be if nothing is known of them: from 1970 to 2038.
_UNKNOWN_RANGE = (0, 2**31 - 1)
# How far beyond the range ordinary rows go, as a fraction of it, and by what at least.
_BEYOND, _LEAST_BEYOND = 0.1, 7 * _DAY
# Of ordinary dates so many are midnights: many tables hold days alone.
_MIDNIGHTS = 0.5
# So many days before the end of training are all compared: four years.
_DAYS = 4 * 366
# Leap days and what is taken for them, ends of years, of centuries and of the calendar, the beginning of the count.
_EDGES = (
    *("0001-01-01", "0001-12-31", "0004-02-29", "1582-10-04", "1582-10-15", "1600-02-29", "1899-12-31", "1900-01-01"),
    *("1900-02-28", "1900-03-01", "1969-12-31", "1970-01-01", "1972-02-29", "1999-12-31", "2000-01-01", "2000-02-28"),
    *("2000-02-29", "2000-03-01", "2000-12-31", "2001-02-28", "2001-03-01", "2023-12-31", "2024-01-01", "2024-02-29"),
    *("2024-12-31", "2025-01-01", "2038-01-19", "2100-02-28", "2100-03-01", "2400-02-29", "9999-02-28", "9999-12-31"),
)
# Midnight, a second before it, and others of the day: the first and the last of an hour.
_TIMES = (-1, 0, 1, 3_599, 3_600, 43_200, _DAY - 1)


def range_of(feature: Feature) -> tuple[int, int]:
    """The first and the last date of a feature in training."""
    if feature.minimum is None or feature.maximum is None:
        return _UNKNOWN_RANGE
    low, high = (int(np.clip(end, FIRST_SECOND, LAST_SECOND)) for end in (feature.minimum, feature.maximum))
    return low, high


def range_in(values: npt.NDArray[np.int64], features: Sequence[Feature]) -> list[tuple[int, int]]:
    """The first and the last date of each column of `values`, shape (rows, features), without missing ones."""
    found = []
    for column, feature in zip(values.T, features, strict=True):
        known = column[column != MISSING_DATE]
        found.append((int(known.min()), int(known.max())) if len(known) else range_of(feature))
    return found


def ordinary_dates(
    random: np.random.Generator, shape: Sequence[int], low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Dates between `low` and `high` of each column, and a little beyond: at any second, or midnights.

    Args:
        random: the source of random numbers.
        shape: (rows, features).
        low: the first date of each feature, shape (features,).
        high: the last one.
    """
    margin = np.maximum(((high - low) * _BEYOND).astype(np.int64), _LEAST_BEYOND)
    first, last = np.maximum(low - margin, FIRST_SECOND), np.minimum(high + margin, LAST_SECOND)
    dates = random.integers(first, last, shape, endpoint=True)
    is_day = random.random(shape) < _MIDNIGHTS
    return np.where(is_day, dates - dates % _DAY, dates).clip(FIRST_SECOND, LAST_SECOND)


def calendar_edges(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Dates at which a calendar may go wrong, shape (rows, features), each feature in an order of its own.

    The edges of the calendar, every day of the four years around the end of training at another time of day, and the
    ends of each feature's range.

    Args:
        low: the first date in training of each feature, shape (features,).
        high: the last one.
    """
    edges = np.array(_EDGES, "datetime64[s]").astype(np.int64)
    columns = []
    for place, (first, last) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        days = max(last // _DAY, FIRST_SECOND // _DAY + _DAYS) - np.arange(_DAYS)
        around = np.array([second + step for second in (first, last) for step in (-1, 0, 1)])
        # A prime number of seconds, so that all hours come.
        found = np.concatenate([np.add.outer(edges, _TIMES).reshape(-1), days * _DAY + days * 7_919 % _DAY, around])
        columns.append(np.roll(found.clip(FIRST_SECOND, LAST_SECOND), 37 * place))
    return np.stack(columns, axis=1)
