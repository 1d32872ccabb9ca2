"""Numbers with a notation, booleans with words of their own, and dates: what a value of a row means."""

import datetime
import math
from typing import Any

import numpy as np
import pytest

from edge_runtime import Feature, InvalidInput, Notation
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.values import MISSING_WORDS, read_value

PRICE = Feature("price", missing=0.0, notation=Notation(",", ".", suffix="€"))
NEW = Feature("new", "boolean", missing=0.0, words=("nein", "Ja"))
SOLD = Feature("sold", "date", missing=0.0, order="dmy")


@pytest.mark.parametrize("value", ["1,5", "1,50 €", 1.5, np.float32(1.5)])
def test_numbers_in_text_have_the_notation_and_others_are_what_they_are(value: Any) -> None:
    assert read_value(value, PRICE) == 1.5


@pytest.mark.parametrize("value", ["1.5", "$1,5"])
def test_another_notation(value: str) -> None:
    with pytest.raises(InvalidInput, match=r"^'.*' is not a number written like '1\.234,50 €'$"):
        read_value(value, PRICE)
    with pytest.raises(InvalidInput, match=r"^'\$5' is not a number$"):
        read_value("$5", Feature("plain"))


@pytest.mark.parametrize(
    ("values", "number"),
    [
        (["ja", " JA ", "Ja", "true", "1", True, 1, np.True_], 1.0),
        (["nein", "NEIN", "False", "0", False, 0.0], 0.0),
    ],
)
def test_booleans(values: list[Any], number: float) -> None:
    assert [read_value(value, NEW) for value in values] == [number] * len(values)


@pytest.mark.parametrize("value", ["yes", "j", "", 2])
def test_other_booleans(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"is neither 'Ja' \(true\) nor 'nein' \(false\)$|is missing"):
        read_value(value, Feature("new", "boolean", words=("nein", "Ja")))
    with pytest.raises(InvalidInput, match="'ja' is neither true nor false"):
        read_value("ja", Feature("new", "boolean"))


@pytest.mark.parametrize(
    "value",
    [
        "31.12.2025",
        "2025-12-31",
        datetime.date(2025, 12, 31),
        datetime.datetime(2025, 12, 31),
        np.datetime64("2025-12-31"),
    ],
)
def test_dates(value: Any) -> None:
    assert read_value(value, SOLD) == 1767139200
    assert type(read_value(value, SOLD)) is int


@pytest.mark.parametrize("value", [*sorted(MISSING_WORDS), None, math.nan, np.datetime64("NaT")])
def test_missing(value: Any) -> None:
    assert read_value(value, SOLD) == MISSING_DATE
    assert math.isnan(float(read_value(value, PRICE)))
    assert math.isnan(float(read_value(value, NEW)))
    with pytest.raises(InvalidInput, match="missing values are not accepted for this feature"):
        read_value(value, Feature("sold", "date"))


def test_a_missing_timestamp() -> None:
    assert read_value(pytest.importorskip("pandas").NaT, SOLD) == MISSING_DATE


@pytest.mark.parametrize("value", ["31.12.25", 1767139200, True, "yesterday"])
def test_no_dates(value: Any) -> None:
    with pytest.raises(InvalidInput, match="is not a date"):
        read_value(value, SOLD)
