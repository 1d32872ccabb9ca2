"""Numbers as people write them: what each notation reads, and what it refuses."""

import contextlib
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature, InvalidInput, Notation
from edge_runtime.contract.notation import DECIMAL_MARKS, GROUPING_MARKS, check_notation
from edge_runtime.contract.values import read_value

DOLLARS = Notation(grouping=",", prefix="$")
EUROS = Notation(",", ".", suffix="€")
PERCENT = Notation(suffix="%")
FRANCS = Notation(grouping="'", prefix="CHF")
SPACED = Notation(",", " ", suffix="kg")

UNITS = ("", "$", "€", "USD", "Fr.", "R$", "kg", "%", "‰", "°C", "m²", "US-$", "e", "E")
notations = st.builds(
    Notation, st.sampled_from(DECIMAL_MARKS), st.sampled_from(GROUPING_MARKS), *2 * [st.sampled_from(UNITS)]
).filter(lambda one: one.decimal != one.grouping)
floats = st.floats(width=32, allow_nan=False) | st.integers(-(10**9), 10**9).map(float)


@pytest.mark.parametrize(
    ("notation", "text", "number"),
    [
        *(
            (DOLLARS, text, 1234.5)
            for text in ("$1,234.50", " $ 1,234.5 ", "1,234.50", "1234.5", "$1234.50", "+$1,234.5")
        ),
        *(
            (DOLLARS, text, -5)
            for text in ("-$5", "$-5", "($5)", "$(5)", "(5)", "\u22125", "-5", "- $ 5", "( $5 )", "$-5.")
        ),
        *((DOLLARS, text, 1234567) for text in ("$1,234,567", "1234567", "$1.234567e6")),
        *((EUROS, text, 1234.5) for text in ("1.234,50 €", "1234,5", "1.234,50€", "1234,5\u00a0€")),
        *((EUROS, text, -0.5) for text in ("-0,5", "(,5)", "-,5 €", "(0,50) €", "-5E-1", "-5,0e-1€")),
        *((PERCENT, text, 16.4) for text in ("16.4%", "16.4", "16.4 %", " 16.4\t%")),
        *((PERCENT, text, -16.4) for text in ("-16.4%", "(16.4%)", "(16.4)%", "\u221216.4 %")),
        *((FRANCS, text, 1234567.5) for text in ("CHF 1'234'567.50", "1\u2019234\u2019567.5", "CHF1234567.5")),
        *((SPACED, text, 1234567.5) for text in ("1 234 567,5 kg", "1\u202f234\u00a0567,50kg", "1234567,5")),
        (Notation(","), "1,5", 1.5),
        (Notation(prefix="$", suffix="USD"), "$5 USD", 5),
        (DOLLARS, "inf", math.inf),
        (EUROS, "-inf", -math.inf),
    ],
)
def test_what_is_read(notation: Notation, text: str, number: float) -> None:
    assert notation.parse(text) == number


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        *(
            (DOLLARS, text)
            for text in ("€5", "5 €", "5%", "$$5", "$5$", "1,23", "1,2345", "12,34,567", "1234,567", "0,123")
        ),
        *(
            (DOLLARS, text)
            for text in ("--5", "-(5)", "-$-5", "(-5)", "((5))", "(5", "5)", "5-", "$", "-", "a", "1 234", "1.5.2")
        ),
        *(
            (DOLLARS, text)
            for text in ("1_000", "0x10", "1,234e", "\u0661", "1\n2", "1'234", "$ $5", ".", ",", "$.", "usd 5")
        ),
        *((EUROS, text) for text in ("1.5", "1,234.50", "$5", "1.23", "1.234.5", "1,2,3")),
        *((Notation(","), text) for text in ("1.5", "1.234,5", "1,234,567")),
        *((SPACED, text) for text in ("1 23", "1  234", "1.5", "5 KG", "5 g")),
    ],
)
def test_what_is_refused(notation: Notation, text: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(f"is not a number written like {notation.example!r}")) as raised:
        notation.parse(text)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", " ", "$", "1e39", "$1" + 400 * "0", "-$1" + 40 * "0"])
def test_what_is_empty_or_too_large(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is empty|does not fit float32|written like"):
        DOLLARS.parse(text)


def test_examples() -> None:
    found = [one.example for one in (DOLLARS, EUROS, PERCENT, FRANCS, SPACED, Notation())]
    assert found == ["$1,234.50", "1.234,50 €", "1234.50%", "CHF 1'234.50", "1 234,50 kg", "1234.50"]
    assert [DOLLARS.format(-1234567.25), EUROS.format(0.001), PERCENT.format(16.4)] == [
        "-$1,234,567.25",
        "0,001 €",
        "16.4%",
    ]


@given(notations, floats)
def test_what_is_written_is_read_back(notation: Notation, number: float) -> None:
    check_notation(notation)
    text = notation.format(number)
    assert notation.parse(text) == number
    assert notation.parse(notation.example) == 1234.5
    # A human may put the sign elsewhere, or leave the unit out.
    positive = notation.format(abs(number))
    assert notation.parse(f"({positive})") == -abs(number)
    assert notation.parse(f"\u2212{positive}") == -abs(number)
    bare = Notation(notation.decimal, notation.grouping).format(number)
    assert notation.parse(bare) == number
    assert (
        read_value(text, Feature("n", notation=notation))
        == read_value(number, Feature("n", notation=notation))
        == number
    )


@given(notations, st.text(alphabet="0123456789.,'$€%()-+eE _ \u00a0kgUSD") | st.text())
def test_whatever_is_written(notation: Notation, text: str) -> None:
    """Nothing is read as a number that has other digits than it."""
    with contextlib.suppress(InvalidInput):
        number = notation.parse(text)
        if math.isfinite(number) and "e" not in text.lower():
            kept = "".join(one for one in text.removeprefix("Fr.") if one in f"0123456789{notation.decimal}")
            assert float(kept.replace(notation.decimal, ".")) == abs(number)


@pytest.mark.parametrize("length", [10, 100_000])
def test_long_text_is_refused_in_one_go(length: int) -> None:
    for text in ("(" + " " * length + "x", "$" * length, "1," * length, " " * length + "1 " * length, "-" * length):
        with pytest.raises(InvalidInput) as raised:
            SPACED.parse(text)
        assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "notation",
    [
        Notation(";"),
        Notation(grouping="_"),
        Notation(",", ","),
        Notation(".", "."),
        Notation(prefix=" $"),
        Notation(suffix="m2"),
        Notation(suffix="-"),
        Notation(suffix=" "),
        Notation(prefix="a\nb"),
        Notation(prefix="x" * 31),
        Notation(suffix=5),  # type: ignore[arg-type]
        Notation(decimal=None),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_a_notation(notation: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        check_notation(notation)


@pytest.mark.parametrize("unit", UNITS)
def test_units(unit: str) -> None:
    for notation in (Notation(prefix=unit), Notation(",", ".", suffix=unit)):
        check_notation(notation)
        assert notation.parse(notation.example) == 1234.5
