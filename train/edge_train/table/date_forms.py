"""How the dates of a column are written: found from all of its different strings together."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.signature import Order

# Fewer numbers may look like dates by chance.
_FEWEST = 10
_TIME = (
    r"(?:(?:[Tt]|,?\s+)[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:\s?[AaPp][Mm])?"
    r"(?:\s?(?:[Zz]|UTC|GMT|[-+][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_YEAR_FIRST = rf"^[0-9]{{4}}(?:-[0-9]{{1,2}}-|\.[0-9]{{1,2}}\.|/[0-9]{{1,2}}/)[0-9]{{1,2}}{_TIME}$"
_YEAR_LAST = rf"^(?P<first>[0-9]{{1,2}})(?P<mark>[-./])(?P<second>[0-9]{{1,2}})[-./][0-9]{{4}}{_TIME}$"
_TWO_DIGITS = rf"^[0-9]{{1,2}}(?:\.[0-9]{{1,2}}\.|/[0-9]{{1,2}}/|-[0-9]{{1,2}}-)[0-9]{{2}}{_TIME}$"
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +)?"
_IN_WORDS = (
    rf"^{_WEEKDAY}(?:[0-9]{{1,2}}[ .-]+(?:{_MONTHS})[a-z]*[ .,-]+[0-9]{{2,4}}"
    rf"|(?:{_MONTHS})[a-z]*[ .]+[0-9]{{1,2}},? +[0-9]{{4}})"
)
# Not any four digits: parts have numbers such as 4711-01.
_YEAR, _MONTH = "(?:1[5-9]|20)[0-9]{2}", "(?:0?[1-9]|1[0-2])"
_NO_DAYS = (
    rf"^(?:{_YEAR}[-/.]{_MONTH}|{_MONTH}[-/.]{_YEAR}|{_YEAR}[ -]?q[1-4]|q[1-4][ /-]?{_YEAR}"
    rf"|{_YEAR}[ -]?w[0-5][0-9](?:-[1-7])?|{_YEAR}[ -](?:{_MONTHS})[a-z]*|(?:{_MONTHS})[a-z]*[ .-]+{_YEAR})$"
)
_NO_MARKS = rf"^{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:t[0-9]{{4,6}}z?)?$"
_TIME_OF_DAY = r"^(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?(?:\s?[ap]m)?$"
_REWRITE = "write them as 2025-12-31"
_UNREADABLE = (
    (_TWO_DIGITS, "its dates have years of two digits", _REWRITE),
    (_IN_WORDS, "its months are words", _REWRITE),
    (_NO_DAYS, "its dates have no days", _REWRITE),
    (_NO_MARKS, "its dates have no marks", _REWRITE),
    (_TIME_OF_DAY, "it has times of day alone", "make them numbers, such as hours"),
)


@dataclass(frozen=True)
class DateForm:
    """How the dates among strings are written.

    Attributes:
        order: the order of day, month and year where the year is not the first; None if nothing tells.
        share: the fraction of the different strings that look like dates, from 0 to 1.
        example: one of them, the empty string if there is none.
        problem: why strings that look like dates cannot be read; the empty string if they can.
        remedy: what makes them readable, if there is a problem.
    """

    order: Order | None
    share: float
    example: str = ""
    problem: str = ""
    remedy: str = ""


def date_form(words: pa.StringArray, order: Order | None) -> DateForm:
    """How the dates among different strings are written.

    Args:
        words: without white space around them.
        order: that of day and month, if it is known: it decides where the strings may be read either way.
    """
    year_first, parts = pc.match_substring_regex(words, _YEAR_FIRST), pc.extract_regex(words, _YEAR_LAST)
    year_last = pc.is_valid(parts)
    share = (pc.sum(pc.or_(year_first, year_last)).as_py() or 0) / max(1, len(words))
    example = _first(words, year_last) or _first(words, year_first)
    if not pc.any(year_last).as_py():
        if not example:
            return _unreadable(words)
        return DateForm("ymd", share, example)
    parts = parts.drop_null()
    first, second = (pc.cast(pc.struct_field(parts, name), pa.int64()) for name in ("first", "second"))
    has_day_first, has_day_second = (pc.any(pc.greater(one, 12)).as_py() for one in (first, second))
    if has_day_first and has_day_second:
        problem = "in some of its dates the day is before the month, in others the month is before the day"
        return DateForm(None, share, example, problem, _REWRITE)
    if has_day_first or has_day_second:
        return DateForm("dmy" if has_day_first else "mdy", share, example)
    if order in ("dmy", "mdy"):
        return DateForm(order, share, example)
    if pc.all(pc.equal(pc.struct_field(parts, "mark"), ".")).as_py():
        return DateForm("dmy", share, example)
    problem = f"nothing in it says whether {example} has the day or the month first"
    return DateForm(None, share, example, problem)


def compact_dates(numbers: npt.NDArray[np.float64]) -> str:
    """What to say of numbers that are all dates without marks, such as 20251231; the empty string of others.

    Args:
        numbers: shape (rows,); NaN is a missing value.
    """
    known = numbers[~np.isnan(numbers)]
    if len(known) < _FEWEST or not (known == np.floor(known)).all():
        return ""
    year, month, day = known // 10_000, known // 100 % 100, known % 100
    are_dates = (year >= 1500) & (year < 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    if not are_dates.all() or known.min() == known.max():
        return ""
    date = f"{known[0]:.0f}"
    return f"dates without marks, such as {date}; write them as {date[:4]}-{date[4:6]}-{date[6:]}"


def _unreadable(words: pa.StringArray) -> DateForm:
    """Of strings that are no dates by the rules: whether they are dates to people."""
    lowered = pc.utf8_lower(words)
    for pattern, problem, remedy in _UNREADABLE:
        found = pc.match_substring_regex(lowered, pattern)
        if example := _first(words, found):
            share = pc.sum(found).as_py() / len(words)
            return DateForm(None, share, example, problem, remedy)
    return DateForm(None, 0.0)


def _first(words: pa.StringArray, where: pa.BooleanArray) -> str:
    found = words.filter(where)
    return str(found[0]) if len(found) else ""
