"""Dates and times: from text and objects to seconds since 1970-01-01 UTC, and back to text.

A tensor of dates holds such seconds as int64, and `MISSING_DATE` for a missing value. Where an offset from UTC is given
it is taken off; where none is given, the date is taken as it stands. Parts of a second are dropped.
"""

import datetime
import re
from typing import Any

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature_document import Order
from edge_runtime.contract.terminal import shortened

# What numpy has for NaT.
MISSING_DATE = -(2**63)

# The first second of year 1, and the last of year 9999.
FIRST_SECOND, LAST_SECOND = -62135596800, 253402300799

_EPOCH = datetime.date(1970, 1, 1).toordinal()
_EXAMPLES: dict[Order, str] = {"ymd": "2025-12-31", "dmy": "31.12.2025", "mdy": "12/31/2025"}
_ORDERS: dict[Order, str] = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}
_DATE = re.compile(
    r"(?:(?P<year>[0-9]{4})(?P<mark>[-./])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})"
    r"|(?P<first>[0-9]{1,2})(?P<mark_2>[-./])(?P<second>[0-9]{1,2})(?P=mark_2)(?P<last>[0-9]{4}))"
    r"(?:(?:[Tt]|,?\s+)(?P<hour>[0-9]{1,2}):(?P<minutes>[0-9]{2})(?::(?P<seconds>[0-9]{2})(?:[.,][0-9]+)?)?"
    r"(?:\s?(?P<half>[AaPp])[Mm])?"
    r"(?:\s?(?:[Zz]|UTC|GMT|(?P<sign>[-+])(?P<off_hours>[0-9]{2})(?::?(?P<off_minutes>[0-9]{2}))?))?)?"
)


def parse_date(text: str, order: Order = "ymd") -> int:
    """The seconds since 1970-01-01 UTC of a date, or of a date and a time, in text.

    ISO 8601 is read, and with any of `-`, `.` and `/` what begins with the year, and what `order` says, such as
    "31.12.2025" and "31/12/2025 14:30". A year has four digits. The time may have seconds and parts of them, AM or PM,
    and an offset from UTC.

    Args:
        text: the text; white space around it does not count.
        order: the order of day, month and year where the year is not the first.

    Raises:
        InvalidInput: it is not such a date.
    """
    found = _DATE.fullmatch(text.strip())
    if found is None or (found["first"] and order == "ymd"):
        forms = " or ".join(dict.fromkeys((_EXAMPLES["ymd"], _EXAMPLES[order])))
        raise InvalidInput(f"{shortened(repr(text.strip()))} is not a date written like {forms}")
    if found["first"]:
        day, month = (found["first"], found["second"])[:: 1 if order == "dmy" else -1]
        year = found["last"]
    else:
        year, month, day = found["year"], found["month"], found["day"]
    hour = int(found["hour"] or 0)
    try:
        if found["half"]:
            if not 1 <= hour <= 12:
                raise ValueError("hour must be in 1..12 before AM and PM")
            hour = hour % 12 + 12 * (found["half"] in "Pp")
        moment = datetime.datetime(
            int(year), int(month), int(day), hour, int(found["minutes"] or 0), int(found["seconds"] or 0)
        )
        hours, minutes = int(found["off_hours"] or 0), int(found["off_minutes"] or 0)
        if hours > 23 or minutes > 59:
            raise ValueError("the offset must be less than 24 hours")
    except ValueError as error:
        read_as = f", read as {_ORDERS[order]}" if found["first"] else ""
        raise InvalidInput(f"{text.strip()!r} is not a date{read_as}: {error}") from None
    offset = (hours * 3600 + minutes * 60) * (-1 if found["sign"] == "-" else 1)
    return _in_range(_seconds(moment) - offset, text.strip())


def date_seconds(value: Any, order: Order = "ymd") -> int:
    """The seconds since 1970-01-01 UTC of a date in any form.

    Args:
        value: text, as `parse_date` takes it; a date or datetime of Python, also of pandas; or numpy's datetime64.
        order: as for `parse_date`.

    Raises:
        InvalidInput: it is not a date, such as a number, whose unit nobody knows.
    """
    if isinstance(value, str):
        return parse_date(value, order)
    if isinstance(value, datetime.datetime):
        offset = value.utcoffset()
        return _in_range(_seconds(value) - (0 if offset is None else offset // datetime.timedelta(seconds=1)), value)
    if isinstance(value, datetime.date):
        return (value.toordinal() - _EPOCH) * 86400
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") != "M" or getattr(value, "shape", ()) != ():
        raise InvalidInput(f"{shortened(repr(value))} is not a date; write it like {_EXAMPLES[order]!r}")
    # Coarse units reach beyond what 64 bits hold in seconds.
    if not 1 <= int(value.astype("datetime64[Y]").astype("int64")) + 1970 <= 9999:
        raise _beyond(value)
    return int(value.astype("datetime64[s]").astype("int64"))


def date_text(seconds: float) -> str:
    """The date of `seconds` since 1970-01-01 UTC, such as "2025-12-31" or, if it has a time, "2025-12-31 14:30:00"."""
    if not FIRST_SECOND <= seconds <= LAST_SECOND:
        return f"{seconds:g} seconds since 1970"
    days, rest = divmod(int(seconds // 1), 86400)
    day = datetime.date.fromordinal(days + _EPOCH).isoformat()
    return f"{day} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}" if rest else day


def _seconds(moment: datetime.datetime) -> int:
    """The seconds of `moment` as it stands, without arithmetic of its class, which pandas limits to 1677 to 2262."""
    return (moment.toordinal() - _EPOCH) * 86400 + moment.hour * 3600 + moment.minute * 60 + moment.second


def _in_range(seconds: int, value: object) -> int:
    if not FIRST_SECOND <= seconds <= LAST_SECOND:
        raise _beyond(value)
    return seconds


def _beyond(value: object) -> InvalidInput:
    return InvalidInput(f"{shortened(str(value))} is not in the years 1 to 9999")
