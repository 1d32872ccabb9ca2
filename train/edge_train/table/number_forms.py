"""How the numbers of a column are written: found from all of its different strings together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.notation import Notation, check_notation

# A unit that is on no more than half of the strings is none, unless it is a currency.
_MOSTLY = 0.5
# More strings with another unit than this fraction are no slips.
_SLIPS = 0.05

# ISO 4217, but for codes that are words or hardly used.
_CODES = (
    "AED|ARS|AUD|BDT|BGN|BHD|BRL|CAD|CHF|CLP|CNH|CNY|COP|CRC|CZK|DKK|DOP|DZD|EGP|EUR|GBP|GEL|GHS|HKD|HRK|HUF|IDR|ILS|"
    "INR|ISK|JOD|JPY|KES|KRW|KWD|KZT|LBP|LKR|MAD|MXN|MYR|NGN|NOK|NPR|NZD|OMR|PEN|PHP|PKR|PLN|QAR|RON|RSD|RUB|SAR|SEK|"
    "SGD|THB|TND|TRY|TWD|UAH|USD|UYU|UZS|VND|XAF|XOF|ZAR"
)
_SPACE = r"[\s\x{a0}\x{2007}\x{2009}\x{202f}]"
_CURRENCY = rf"[A-Z]{{0,3}}\p{{Sc}}|{_CODES}|[Kk]r\.?|Kč|Ft|zł|lei|S?Fr\.?|Rs\.?|RM|Rp\.?"
_MINUS = r"[-+\x{2212}]"
_MARKS = r"[0-9.,'\x{2019}\x{2bc} \x{a0}\x{2007}\x{2009}\x{202f}]"
_PARTS = (
    rf"^\(?{_MINUS}?{_SPACE}*(?:(?P<prefix>{_CURRENCY}){_SPACE}*{_MINUS}?{_SPACE}*)?"
    rf"(?P<number>[.,]?[0-9]{_MARKS}*(?:[eE][-+]?[0-9]+)?){_SPACE}*"
    r"(?P<suffix>[^0-9\s.,'()+\-\x{2212}\x{2019}][^0-9()]*)?\)?$"
)
_PERCENT = ("%", "‰")

# The decimal mark and the mark between groups of digits, in the order in which they are taken if several read the same.
_MARK_PAIRS = ((".", ""), (".", ","), (".", "'"), (".", " "), (",", ""), (",", "."), (",", "'"), (",", " "))


@dataclass(frozen=True)
class NumberForm:
    """How the numbers among strings are written.

    Attributes:
        notation: how; None as programs write them.
        share: the fraction of the different strings that are numbers written so, from 0 to 1.
        example: one of them with all the marks there are, the empty string if there is none.
        is_ambiguous: whether another decimal mark would read the same strings.
        problem: why strings that look like numbers are none, such as two currencies; the empty string if they are.
    """

    notation: Notation | None
    share: float
    example: str = ""
    is_ambiguous: bool = False
    problem: str = ""


def number_form(words: pa.StringArray, decimal: str | None) -> NumberForm:
    """How the numbers among different strings are written.

    Args:
        words: without white space around them.
        decimal: the decimal mark of the file, if it is known: it decides where the strings may be read either way.
    """
    parts = pc.extract_regex(words, _PARTS)
    numbers = pc.struct_field(parts, "number")
    prefixes, suffixes = (_trimmed(pc.fill_null(pc.struct_field(parts, one), "")) for one in ("prefix", "suffix"))
    units = _units(prefixes, suffixes, pc.is_valid(numbers))
    prefix, suffix, are_read, problem = _unit(units, prefixes, suffixes, len(words))
    if problem:
        return NumberForm(None, 0.0, problem=problem)
    numbers = _normal(pc.if_else(are_read, numbers, None))
    pairs = sorted(_MARK_PAIRS, key=lambda pair: decimal is not None and pair[0] != decimal)
    counts = [pc.sum(pc.match_substring_regex(numbers, _pattern(*pair))).as_py() or 0 for pair in pairs]
    best = max(counts)
    decimal_mark, grouping = pairs[counts.index(best)]
    is_amount = bool(prefix) or _is_currency(suffix)
    both = [pair for pair, count in zip(pairs, counts, strict=True) if count == best and best]
    is_marked = pc.any(pc.match_substring_regex(numbers, "[.,]")).as_py()
    is_ambiguous = bool(decimal is None and is_marked and len({pair[0] for pair in both}) > 1)
    if is_ambiguous and is_amount and (decimal_mark, grouping, (",", ".") in both) == (".", "", True):
        # An amount has two decimals: three digits behind every point are a group.
        decimal_mark, grouping = ",", "."
    has_signs = pc.any(pc.match_substring_regex(words, r"^\(|\x{2212}")).as_py()
    notation = Notation(decimal_mark, grouping, prefix, suffix)
    is_plain = notation == Notation() and not has_signs
    read = pc.fill_null(pc.match_substring_regex(numbers, _pattern(decimal_mark, grouping)), False)
    return NumberForm(None if is_plain else notation, best / len(words), _example(words, read), is_ambiguous)


def _units(prefixes: pa.Array, suffixes: pa.Array, are_numbers: pa.Array) -> list[tuple[str, str, int]]:
    """The units of what looks like numbers, and how often each pair of a prefix and a suffix is; the most first."""
    table = pa.table({"prefix": prefixes, "suffix": suffixes}).filter(are_numbers)
    counted = table.group_by(["prefix", "suffix"], use_threads=False).aggregate([([], "count_all")])
    found = zip(*(counted[name].to_pylist() for name in ("prefix", "suffix", "count_all")), strict=True)
    return sorted(((one, other, count) for one, other, count in found if one or other), key=lambda unit: -unit[2])


def _unit(
    units: Sequence[tuple[str, str, int]], prefixes: pa.Array, suffixes: pa.Array, count: int
) -> tuple[str, str, pa.Array, str]:
    """The unit before and after the numbers, which strings have no other one, and why there is no single unit."""
    has_none = pc.and_(pc.equal(prefixes, ""), pc.equal(suffixes, ""))
    currencies = [one for unit in units for one in unit[:2] if one and (one == unit[0] or _is_currency(one))]
    if not units or (units[0][2] <= _MOSTLY * count and not currencies):
        shared = sum(unit[2] for unit in units if unit[1] in _PERCENT) > _MOSTLY * count
        return "", "", has_none, _different(units) if shared else ""
    # "€5" beside "5 €" is one unit, and so is "€5 EUR".
    prefix, suffix, _ = units[0]
    names = {one for one in (prefix, suffix) if one}
    others = [unit for unit in units if not names.issuperset(filter(None, unit[:2]))]
    if others and (
        sum(unit[2] for unit in others) > _SLIPS * count
        or (currencies and any(_is_currency(one) for unit in others for one in unit[:2]))
    ):
        return "", "", has_none, _different(units)
    if any(unit[0] in names for unit in units):
        prefix = next(unit[0] for unit in units if unit[0] in names)
    if any(unit[1] in names for unit in units):
        suffix = next(unit[1] for unit in units if unit[1] in names)
    try:
        check_notation(Notation(prefix=prefix, suffix=suffix))
    except ValueError:
        return "", "", has_none, ""
    are_read = pc.and_(pc.is_in(prefixes, pa.array(["", prefix])), pc.is_in(suffixes, pa.array(["", suffix])))
    return prefix, suffix, are_read, ""


def _different(units: Sequence[tuple[str, str, int]]) -> str:
    names = list(dict.fromkeys(one for unit in units for one in unit[:2] if one))
    return f"its numbers have different units, {' and '.join(names[:2])}"


def _is_currency(unit: str) -> bool:
    return bool(pc.match_substring_regex(pa.array([unit]), f"^(?:{_CURRENCY})$")[0].as_py())


def _trimmed(strings: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(strings)


def _normal(numbers: pa.Array) -> pa.Array:
    spaces = pc.replace_substring_regex(_trimmed(numbers), r"[\x{a0}\x{2007}\x{2009}\x{202f}]", " ")
    return pc.replace_substring_regex(spaces, r"[\x{2019}\x{2bc}]", "'")


def _pattern(decimal: str, grouping: str) -> str:
    """What `Notation.parse` takes, without sign and unit."""
    groups = f"|[1-9][0-9]{{0,2}}(?:{re.escape(grouping)}[0-9]{{3}})+" if grouping else ""
    point = re.escape(decimal)
    return rf"^(?:(?:[0-9]+{groups})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][-+]?[0-9]+)?$"


def _example(words: pa.Array, are_read: pa.Array) -> str:
    """The longest of the strings that are read: the one with all marks."""
    read = words.filter(are_read)
    if not len(read):
        return ""
    lengths = pc.utf8_length(read)
    return str(read[pc.index(lengths, pc.max(lengths)).as_py()])
