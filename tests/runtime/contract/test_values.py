"""What single words and values mean, for each kind of feature, with and without missing values."""

import datetime
import decimal
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_runtime import Feature, InvalidInput
from edge_runtime.contract.values import (
    MISSING_WORDS,
    category_string,
    has_codes,
    is_missing,
    read_value,
)

NUMBER, NUMBER_OR_MISSING = Feature("n"), Feature("n", missing=0.0)
BOOLEAN, BOOLEAN_OR_MISSING = Feature("b", "boolean"), Feature("b", "boolean", missing=0.5)
STRING = Feature("t", "categorical", categories=("a", "b"))
STRING_OR_MISSING = Feature("t", "categorical", categories=("a", "b"), missing=0.0)
CODE = Feature("c", "categorical", categories=(1, 2))
CODE_OR_MISSING = Feature("c", "categorical", categories=(1, 2), missing=0.25)

ABSENT = [None, math.nan, np.float16("nan"), np.float64("nan"), decimal.Decimal("nan"), np.datetime64("NaT")]
is_nan: Callable[[Any], bool] = math.isnan  # a value may be a string; that would be a TypeError


@pytest.mark.parametrize("word", ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "?"])
def test_missing_words(word: str) -> None:
    assert word in MISSING_WORDS
    for text in (word, f" {word}\t\n"):
        assert is_missing(text)
        assert is_nan(read_value(text, NUMBER_OR_MISSING))
        assert is_nan(read_value(text, BOOLEAN_OR_MISSING))
        assert read_value(text, STRING_OR_MISSING) == read_value(text, CODE_OR_MISSING) == ""
        for feature in (BOOLEAN, STRING, CODE):
            with pytest.raises(InvalidInput, match="missing values are not accepted for this feature"):
                read_value(text, feature)


@pytest.mark.parametrize("word", ["None", "nope", "N A", "-", "na", "Null", "0", "??"])
def test_words_that_are_not_missing(word: str) -> None:
    assert not is_missing(word)
    assert read_value(word, STRING_OR_MISSING) == word


@pytest.mark.parametrize("value", ABSENT)
def test_missing_values(value: Any) -> None:
    assert is_missing(value)
    assert is_nan(read_value(value, NUMBER_OR_MISSING))
    assert is_nan(read_value(value, BOOLEAN_OR_MISSING))
    assert read_value(value, STRING_OR_MISSING) == read_value(value, CODE_OR_MISSING) == ""
    for feature in (BOOLEAN, STRING, CODE):
        with pytest.raises(InvalidInput, match="missing values are not accepted for this feature"):
            read_value(value, feature)


def test_masked() -> None:
    assert read_value(np.ma.masked, STRING_OR_MISSING) == ""
    with pytest.raises(InvalidInput, match="missing values are not accepted"):
        read_value(np.ma.masked, NUMBER)


def test_pandas_values() -> None:
    pandas = pytest.importorskip("pandas")
    for value in (pandas.NA, pandas.NaT):
        assert is_nan(read_value(value, NUMBER_OR_MISSING))
        with pytest.raises(InvalidInput):
            read_value(value, NUMBER)


def test_a_model_without_missing_values_takes_nan_alone() -> None:
    for nan in ("nan", " NaN ", math.nan):
        assert is_nan(read_value(nan, NUMBER))
    for value in ("NA", "", "?", "null", None):
        with pytest.raises(InvalidInput, match=r"is not a number|is empty"):
            read_value(value, NUMBER)


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.int8(2), np.array(2), decimal.Decimal(2), "2", " 2.0 ", "2e0", np.str_("2")]
)
def test_numbers(value: Any) -> None:
    for feature in (NUMBER, NUMBER_OR_MISSING):
        assert read_value(value, feature) == 2
    assert read_value(value, CODE) == "2"


@pytest.mark.parametrize(
    "value",
    ["2 3", "1_000", 2j, [2], np.array([2.0]), b"2", datetime.date(2020, 1, 1), np.datetime64("2020-01-01"), {}],
)
def test_not_numbers(value: Any) -> None:
    for feature in (NUMBER, NUMBER_OR_MISSING):
        with pytest.raises(InvalidInput, match="is not a number"):
            read_value(value, feature)


@pytest.mark.parametrize("value", [1e39, -1e300, 10**39, 10**400, np.float64(1e39)])
def test_numbers_too_large(value: Any) -> None:
    with pytest.raises(InvalidInput, match="does not fit float32"):
        read_value(value, NUMBER)
    assert read_value(math.inf, NUMBER) == math.inf


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (True, 1),
        (np.True_, 1),
        ("true", 1),
        (" TRUE ", 1),
        ("tRue", 1),
        (1, 1),
        (1.0, 1),
        ("1", 1),
        ("1.0", 1),
        (False, 0),
        (np.False_, 0),
        ("False", 0),
        (0, 0),
        (-0.0, 0),
        ("0", 0),
        (np.uint8(0), 0),
    ],
)
def test_booleans(value: Any, number: float) -> None:
    for feature in (BOOLEAN, BOOLEAN_OR_MISSING):
        found = read_value(value, feature)
        assert (found, type(found)) == (number, float)


@pytest.mark.parametrize("value", [2, 0.5, -1, "yes", "t", "2", "inf", math.inf, "truee", [True]])
def test_not_booleans(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"is neither true nor false|is not a number"):
        read_value(value, BOOLEAN)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (" new one\n", "new one"),
        ("True", "True"),
        ("3.0", "3.0"),
        ("ö \U0001f427", "ö \U0001f427"),
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (2**60, str(2**60)),
        (10**50, str(10**50)),
        (1e20, str(10**20)),
        (decimal.Decimal("0.10"), "0.10"),
        (np.int64(7), "7"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (np.float64(0.1), "0.1"),
        (math.inf, "inf"),
        (True, "true"),
        (np.False_, "false"),
        (np.str_("a"), "a"),
    ],
)
def test_categories(value: Any, text: str) -> None:
    assert category_string(value) == text
    assert read_value(value, Feature("t", "categorical")) == text
    if isinstance(value, str):
        assert read_value(value, STRING) == read_value(value, STRING_OR_MISSING) == text


@pytest.mark.parametrize("value", ["\ud800", "a\0b"])
def test_strings_that_a_tensor_cannot_hold(value: str) -> None:
    with pytest.raises(InvalidInput, match="has a character that a tensor of strings cannot hold"):
        read_value(value, STRING)


@pytest.mark.parametrize("value", [[1], {}, b"a", datetime.date(2020, 1, 1), np.datetime64("2020-01-01"), 1j])
def test_not_categories(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"is neither a string nor a number"):
        read_value(value, STRING)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (np.uint8(3), "3"),
        (-4, "-4"),
        (2**53 + 1, str(2**53 + 1)),
        ("3", "3"),
        (" 3.0 ", "3"),
        ("1e3", "1000"),
        ("+3", "3"),
        ("-0", "0"),
        (str(2**53 + 1), str(2**53 + 1)),
    ],
)
def test_codes(value: Any, text: str) -> None:
    for feature in (CODE, CODE_OR_MISSING):
        assert read_value(value, feature) == text


@pytest.mark.parametrize("value", ["a", "3.5", 3.5, True, "true", np.True_, math.inf, "1_000", [3], "1e400"])
def test_not_codes(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"is not an integer|is not a number|does not fit float32"):
        read_value(value, CODE)


@pytest.mark.parametrize(
    ("value", "feature", "message"),
    [
        ([1], NUMBER, "[1] is not a number"),
        (10**39, NUMBER, f"{10**39} does not fit float32"),
        (10**400, NUMBER, "the number does not fit float32"),
        ("yes", BOOLEAN, "'yes' is neither true nor false"),
        (5, STRING, "5 is not a string; the categories are strings such as 'a'"),
        ([1], STRING, "[1] is neither a string nor a number"),
        ("a\0", STRING, "'a\\x00' has a character that a tensor of strings cannot hold"),
        (3.5, CODE, "3.5 is not an integer"),
        (True, CODE, "True is not an integer"),
        ("a", CODE, "'a' is not a number"),
        (None, BOOLEAN, "the value is missing, and missing values are not accepted for this feature"),
    ],
)
def test_what_is_wrong_with_a_value(value: Any, feature: Feature, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_value(value, feature)
    assert str(raised.value) == message


def test_an_array_is_not_missing() -> None:
    assert not is_missing(np.array([math.nan, 1]))
    assert not is_missing(np.array([math.nan, math.nan]))


def test_features_of_codes() -> None:
    assert has_codes(Feature("c", "categorical", categories=(1,)))
    assert not has_codes(Feature("c", "categorical", categories=("1",)))
    assert not has_codes(Feature("c", "categorical"))
