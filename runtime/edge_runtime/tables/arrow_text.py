"""What Arrow reads of text by itself: numbers, and dates, as the contract reads them.

It decides less than the contract does. What it leaves undecided is null, and is read one by one.
"""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.notation import Notation
from edge_runtime.contract.signature_document import Order

# What Arrow is asked to remove around a value. Python knows more white space, which is left to it.
_BLANKS = " \t\r\n"

_PLAIN_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"

# Dates that exist in every year: Arrow refuses a whole column for one that does not.
_YEAR = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_31_DAYS = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
_30_DAYS = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_28_DAYS = "02-(?:0[1-9]|1[0-9]|2[0-8])"
_MINUTES = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_PLAIN_DATE = rf"^{_YEAR}-(?:{_31_DAYS}|{_30_DAYS}|{_28_DAYS})(?:[T ]{_MINUTES}(?::[0-5][0-9])?)?$"
# Parts of a second are dropped, and Z is what no offset is.
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PRECISE = rf"^({_DAY}[T ]{_MINUTES}:[0-5][0-9])(?:\.[0-9]+)?Z?$|^({_DAY}[T ]{_MINUTES})Z$"
# RE2 cannot ask for the same mark twice.
_YEAR_LAST = "^(?:" + "|".join(rf"([0-9]{{2}}){mark}([0-9]{{2}}){mark}([0-9]{{4}})" for mark in (r"\.", "/", "-")) + ")"

# The marks of groups that Arrow is asked for; the contract knows more of their kind.
_GROUPING = {" ": "[ \u00a0\u2007\u2009\u202f]", "'": "['\u2019]", ".": r"\.", ",": ","}


def numbers(text: Any, notation: Notation | None) -> Any:
    """Text as float64, null where it is undecided; or infinite, where it may be beyond float64.

    Args:
        text: a `pyarrow.Array` of strings.
        notation: how its numbers are written; None if as programs write them.

    Raises:
        ArrowInvalid, ArrowNotImplementedError: this version of Arrow cannot do it, or it is not UTF-8.
    """
    text = pc.utf8_trim(text, _BLANKS)
    if notation is not None:
        return _in_notation(text, notation)
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        return _where(pc.match_substring_regex(text, _PLAIN_NUMBER), text).cast(pa.float64())


def seconds(text: Any, order: Order) -> Any:
    """Dates in text as int64, seconds since 1970-01-01 UTC, null where it is undecided.

    Args:
        text: a `pyarrow.Array` of strings.
        order: the order of day, month and year where the year is not the first.

    Raises:
        ArrowInvalid, ArrowNotImplementedError: as `numbers`.
    """
    text = pc.utf8_trim(text, _BLANKS)
    if order != "ymd":
        first, second = (r"\1\4\7", r"\2\5\8") if order == "mdy" else (r"\2\5\8", r"\1\4\7")
        text = pc.replace_substring_regex(text, _YEAR_LAST, rf"\3\6\9-{first}-{second}")
    is_plain = pc.match_substring_regex(text, _PLAIN_DATE)
    if not pc.all(is_plain).as_py():
        text = pc.replace_substring_regex(text, _PRECISE, r"\1\2")
        is_plain = pc.match_substring_regex(text, _PLAIN_DATE)
    return _where(is_plain, text).cast(pa.timestamp("s")).cast(pa.int64())


def _in_notation(text: Any, notation: Notation) -> Any:
    if notation.prefix:
        text = pc.replace_substring_regex(text, rf"^(-?){re.escape(notation.prefix)} ?", r"\1")
    if notation.suffix:
        text = pc.replace_substring_regex(text, rf" ?{re.escape(notation.suffix)}$", "")
    whole = "[0-9]+"
    if notation.grouping:
        grouping = _GROUPING[notation.grouping]
        whole = f"(?:{whole}|[1-9][0-9]{{0,2}}(?:{grouping}[0-9]{{3}})+)"
    text = _where(pc.match_substring_regex(text, rf"^-?{whole}(?:{re.escape(notation.decimal)}[0-9]*)?$"), text)
    if notation.grouping:
        text = pc.replace_substring_regex(text, grouping, "")
    if notation.decimal != ".":
        text = pc.replace_substring(text, notation.decimal, ".")
    return text.cast(pa.float64())


def _where(is_decided: Any, text: Any) -> Any:
    return pc.if_else(is_decided, text, pa.scalar(None, text.type))
