"""The user's own modules for dates, without `edge_train`."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.dates import MISSING_DATE

# From 2020 to 2024, and the day of 2021-06-01 alone.
SOLD = Feature("sold", "date", 1577836800.0, 1735603200.0, missing=0.1, order="dmy")
DUE = Feature("due", "date", 1622505600.0, 1622505600.0)
SIGNATURE = Signature((Input("date", (SOLD, DUE)),), "probability", ("no", "yes"))

_DAY = 86_400
# Days before each month of a common year, and whether a year of the Gregorian calendar has a leap day.
_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def gregorian(year: Tensor) -> Tensor:
    return (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))


def julian(year: Tensor) -> Tensor:
    return year % 4 == 0


def is_last_of_february(dates: Tensor, is_leap: Callable[[Tensor], Tensor] = gregorian) -> Tensor:
    """Whether seconds since 1970 are on 28 February of a common year, or 29 February, found by counting years."""
    days = torch.div(dates, _DAY, rounding_mode="floor") + 719_162
    # A guess of the year, which is one too many at most, and the days before it.
    year = torch.div(days * 400, 146_097, rounding_mode="floor") + 1
    before = days_before(year)
    year = torch.where(days < before, year - 1, year)
    year = torch.where(days >= days_before(year + 1), year + 1, year)
    day = days - days_before(year)
    return day == torch.where(is_leap(year), 59, 58)


def days_before(year: Tensor) -> Tensor:
    """The days from the first of the year 1 to the first of `year`."""
    past = year - 1
    return (
        365 * past
        + torch.div(past, 4, rounding_mode="floor")
        - torch.div(past, 100, rounding_mode="floor")
        + torch.div(past, 400, rounding_mode="floor")
    )


class Dated(nn.Module):
    """A probability of two dates: of the time between them, the hour, the weekday, and the ends of Februaries."""

    signature = SIGNATURE

    def __init__(self, is_leap: Callable[[Tensor], Tensor] = gregorian) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.weekdays = nn.Embedding(7, 2)
        self.layer = nn.Linear(6, 1)
        self._is_leap = is_leap

    def forward(self, date: Tensor) -> Tensor:
        missing = date == MISSING_DATE
        known = torch.where(missing, 1_600_000_000, date)
        day = torch.div(known, _DAY, rounding_mode="floor")
        weekday: Tensor = self.weekdays((day[:, 0] + 3) % 7)
        between = (known[:, :1] - known[:, 1:]).float() / 3e7
        ends = is_last_of_february(known, self._is_leap).any(1, keepdim=True)
        hour = torch.div(known[:, :1] % _DAY, 3600, rounding_mode="floor").float() / 24
        columns = [weekday, torch.tanh(between), hour, ends.float(), missing[:, :1].float()]
        return torch.sigmoid(self.layer(torch.cat(columns, 1)))


def example() -> Tensor:
    return torch.zeros(2, 2, dtype=torch.int64)
