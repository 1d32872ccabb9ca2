"""What the name of a column says about its integers: that they identify rows, are times or ranks, or are codes."""

import re

_IDENTIFIER = re.compile(
    r"(?:.*[^A-Za-z])?(?i:[pu]?id|guid|uuid)|.*[a-z]I[dD]|(?i:index|row[ _.]?(?:id|no|num|numbers?|names?)?|unnamed: 0)"
)
_WORDS = re.compile(r"[A-Z]?[a-zß-ÿ]+|[A-Z]+(?![a-z])")
# In languages of spreadsheets.
_TIMES_AND_RANKS = frozenset(
    (
        *("t", "time", "date", "year", "yr", "quarter", "month", "week", "day", "hour", "minute", "second", "age"),
        *("period", "season", "rank", "zeit", "datum", "jahr", "quartal", "monat", "woche", "tag", "alter", "rang"),
        *("temps", "an", "année", "annee", "mois", "semaine", "jour", "tiempo", "fecha", "año", "ano", "mes", "semana"),
        *("día", "dia", "edad"),
    )
)
# Not "school" and the like, which also stand for years of it.
_CODES = frozenset(
    (
        *("id", "code", "cd", "zip", "zipcode", "postcode", "plz", "fips", "naics", "sic", "icd", "category", "cat"),
        *("type", "class", "cluster", "group", "district", "county", "region", "state", "occ", "occupation"),
    )
)
_FIRST_WORDS = frozenset(("id", "code", "zip"))


def is_identifier(name: str) -> bool:
    """Whether a column is named like an identifier of rows: `id`, `patient_id`, `customerID`, `rownames`."""
    return bool(_IDENTIFIER.fullmatch(name))


def is_time_or_rank(name: str) -> bool:
    """Whether a word of the name says a time or a rank: `year_start`, `monthsSinceY2K`."""
    words = _words(name)
    return not _TIMES_AND_RANKS.isdisjoint([*words, *(word.removesuffix("s") for word in words)])


def is_code(name: str) -> bool:
    """Whether the last word of the name, or the first, says that integers are codes: `zip`, `prof_id`, `occ10`."""
    words = _words(name)
    return bool(words) and (words[-1] in _CODES or words[0] in _FIRST_WORDS)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]
