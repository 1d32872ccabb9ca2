"""Columns of dates as the network for tables takes them: time elapsed, and places in the calendar.

All of the calendar is integer arithmetic and lookups in constant tables, so that every format that a network is
exported to finds the same year, day, weekday and hour, bit for bit.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE
from edge_runtime.contract.signature import Feature
from edge_train.networks.numeric_columns import NumericColumns

_DAY, _HOUR = 86_400, 3_600
# From 1 March of the year 0 to 1 January 1970: counted from there, no quotient of a date is negative.
_DAYS_BEFORE_1970 = 719_468
# So many dates are counted at once.
_BLOCK = 1 << 18
_MONTHS_FROM_MARCH = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2)
_LENGTHS = (31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29)
# The month and the day of the month of each day of a year that begins on 1 March.
MONTHS = np.repeat(_MONTHS_FROM_MARCH, _LENGTHS)
MONTH_DAYS = np.concatenate([np.arange(1, length + 1) for length in _LENGTHS])


def year_and_day(days: Tensor) -> tuple[Tensor, Tensor]:
    """The year, and the day of the year that begins on 1 March: 0 to 365, so that 29 February is the last one.

    As in Neri and Schneider, Euclidean affine functions and their application to calendar algorithms (2023).

    Args:
        days: since 1 March of the year 0, int64 of any shape, not negative.
    """
    of_century = 4 * days + 3
    rest = of_century % 146_097
    of_year = rest - rest % 4 + 3
    day = of_year % 1461 // 4
    # January and February are the end of a year that begins in March.
    year = of_century // 146_097 * 100 + of_year // 1461 + (day >= 306).to(torch.int64)
    return year, day


def weekday(days: Tensor) -> Tensor:
    """The day of the week, 0 for Monday to 6; takes days as `year_and_day` does."""
    return (days + 2) % 7


def days_and_seconds(dates: Tensor) -> tuple[Tensor, Tensor]:
    """Days since 1 March of the year 0, and seconds since midnight.

    Args:
        dates: seconds since 1970, int64 of any shape, from the first of the year 1 to the last of the year 9999.
    """
    seconds = dates + _DAYS_BEFORE_1970 * _DAY
    return seconds // _DAY, seconds % _DAY


def _circle(places: npt.NDArray[np.float64], times: int = 1) -> npt.NDArray[np.float64]:
    """Sine and cosine of the places in a cycle, from 0 to 1, and of their multiples."""
    angles = 2 * np.pi * places[:, None] * np.arange(1, times + 1)
    return np.concatenate([np.sin(angles), np.cos(angles)], 1)


# What each day of a year, weekday and hour is to the network. Seasons and hours come around; a month or a weekday may
# be like no other. A day of the month counts from -1 to 1.
_DAYS_OF_YEAR = np.concatenate(
    [_circle(np.arange(366) / 365.2425), np.eye(12)[MONTHS - 1], (MONTH_DAYS[:, None] - 16) / 15], 1
)
_TABLES = (_DAYS_OF_YEAR, np.eye(7), _circle(np.arange(24) / 24, 2))
_WIDTHS = [table.shape[1] for table in _TABLES]
# The columns that `varying` tells about: the year, and those of the tables.
PARTS = 1 + sum(_WIDTHS)


def varying(dates: npt.NDArray[np.int64]) -> Tensor:
    """Which columns of the calendar vary in training rows, bool of shape (features, PARTS).

    The others would only mislead: what they mean cannot be learned.

    Args:
        dates: int64 of shape (rows, features), as `DateColumns.forward` takes them.
    """
    found = []
    for column in dates.T:
        years, counts = _counted(column)
        found.append(years > 1)
        for table, count in zip(_TABLES, counts, strict=True):
            seen = table[count > 0]
            # More than by rounding: sines of multiples of a circle may differ by that alone.
            found.extend((np.abs(seen - seen[:1]) > 1e-9).any(0))
    return torch.tensor(found, dtype=torch.bool).reshape(-1, PARTS)


class DateColumns(nn.Module):
    """Turns dates into numbers: the time elapsed, the year, and where in the year, the week and the day they are.

    The time elapsed since a date of the training rows is exact in int64 before it becomes a floating-point number. It
    and the year are standardised like other numbers, and missing dates are marked (see `NumericColumns`). Where in the
    year: sine and cosine of the season, the month one-hot, the day of the month; in the week: the weekday one-hot; in
    the day: sine and cosine of the hour, once and twice around. Only what varied in training is taken. A missing date
    has the mean of each in training. A date before the year 1 or after 9999 counts as the first or last second of them.

    Attributes:
        origin: a date in the middle of the training rows, int64 of shape (features,), seconds since 1970.
        varies: which columns are taken, bool of shape (features, PARTS), as `varying` returns them.
        average: the mean in training of each column that is taken of any feature, but time elapsed and year, float32 of
            shape (features, columns).
        width: how many columns `forward` returns.
    """

    origin: Tensor
    varies: Tensor
    average: Tensor
    dated: Tensor
    taken: Tensor
    table_0: Tensor | None
    table_1: Tensor | None
    table_2: Tensor | None

    def __init__(self, features: Sequence[Feature], varies: Tensor | None = None) -> None:
        """Start at 1970 for all `features`, with the columns that `varies` says, by default all of them."""
        super().__init__()
        if varies is None:
            varies = torch.ones(len(features), PARTS, dtype=torch.bool)
        self.register_buffer("origin", torch.zeros(len(features), dtype=torch.int64))
        self.register_buffer("varies", varies.clone())
        of_any = varies[:, 1:].any(0)
        self.register_buffer("average", torch.zeros(len(features), int(of_any.sum())))
        # The places of the features whose year varies, and of the columns that are taken.
        self.register_buffer("dated", varies[:, 0].nonzero()[:, 0], persistent=False)
        self.register_buffer("taken", varies[:, 1:][:, of_any].flatten().nonzero()[:, 0], persistent=False)
        years = [Feature(features[place].name) for place in self.dated.tolist()]
        self.numbers = NumericColumns([*features, *years])
        for place, (table, kept) in enumerate(zip(_TABLES, torch.split(of_any, _WIDTHS), strict=True)):
            values = torch.tensor(table, dtype=torch.float32)[:, kept]
            self.register_buffer(f"table_{place}", values if values.numel() else None, persistent=False)
        self.width = self.numbers.width + len(self.taken)

    def fit(self, dates: npt.NDArray[np.int64]) -> None:
        """Set the origin and all means and standard deviations from training rows.

        Args:
            dates: int64 of shape (rows, features), as `forward` takes them; every feature has a value in some row.
        """
        of_any = self.varies[:, 1:].any(0).numpy()
        for place, column in enumerate(dates.T):
            self.origin[place] = int(np.median(column[column != MISSING_DATE]))
            _, counts = _counted(column)
            means = [count @ table / count.sum() for table, count in zip(_TABLES, counts, strict=True)]
            self.average[place] = torch.from_numpy(np.concatenate(means)[of_any])
        self.numbers.fit(np.concatenate([block.double().numpy() for block in map(self._numbers, _blocks(dates))]))

    def forward(self, dates: Tensor) -> Tensor:
        """Numbers without missing values, float32 of shape (batch, width).

        Args:
            dates: seconds since 1970-01-01, int64 of shape (batch, features); `MISSING_DATE` is a missing value.
        """
        values = self.numbers(self._numbers(dates))
        if not len(self.taken):
            return values  # type: ignore[no-any-return]
        days, seconds = days_and_seconds(self._known(dates))
        places = (year_and_day(days)[1], weekday(days), seconds // _HOUR)
        tables = (self.table_0, self.table_1, self.table_2)
        pairs = zip(places, tables, strict=True)
        found = [functional.embedding(place, table) for place, table in pairs if table is not None]
        columns = torch.where((dates == MISSING_DATE)[..., None], self.average, torch.cat(found, 2)).flatten(1)
        if len(self.taken) < columns.shape[1]:
            columns = columns[:, self.taken]
        return torch.cat([values, columns], 1)

    def _known(self, dates: Tensor) -> Tensor:
        return torch.where(dates == MISSING_DATE, self.origin, dates).clamp(FIRST_SECOND, LAST_SECOND)

    def _numbers(self, dates: Tensor) -> Tensor:
        """The time elapsed in seconds, and the years that vary; NaN if missing."""
        known, missing = self._known(dates), dates == MISSING_DATE
        numbers = (known - self.origin).to(self.average.dtype).masked_fill(missing, torch.nan)
        if not len(self.dated):
            return numbers
        years, _ = year_and_day(days_and_seconds(known[:, self.dated])[0])
        years = years.to(self.average.dtype).masked_fill(missing[:, self.dated], torch.nan)
        return torch.cat([numbers, years], 1)


def _counted(dates: npt.NDArray[np.int64]) -> tuple[int, list[npt.NDArray[np.int64]]]:
    """How many years there are among dates of shape (rows,), and how often each row of `_TABLES` is."""
    years: set[int] = set()
    counts = [np.zeros(len(table), np.int64) for table in _TABLES]
    for block in _blocks(dates[dates != MISSING_DATE]):
        days, seconds = days_and_seconds(block)
        year, day = year_and_day(days)
        years.update(np.unique(year.numpy()).tolist())
        for count, found in zip(counts, (day, weekday(days), seconds // _HOUR), strict=True):
            count += torch.bincount(found, minlength=len(count)).numpy()
    return len(years), counts


def _blocks(dates: npt.NDArray[np.int64]) -> tuple[Tensor, ...]:
    return torch.split(torch.from_numpy(np.ascontiguousarray(dates)), _BLOCK)
