"""Numbers and booleans for a column of strings."""

import decimal
import fractions
import math
from typing import Any

import numpy as np
import pytest

from edge_runtime import Feature, InvalidInput
from edge_runtime.contract.values import category_string, read_value

STRING = Feature("t", "categorical", categories=("a", "b"))
STRING_OR_MISSING = Feature("t", "categorical", categories=("a", "b"), missing=0.0)
TWO = [2, 2.0, np.float32(2), np.int8(2), np.array(2), decimal.Decimal(2)]


@pytest.mark.parametrize("value", [*TWO, math.inf, 10**400, fractions.Fraction(1, 3), True, np.True_])
def test_a_number_is_not_a_word(value: Any) -> None:
    for feature in (STRING, STRING_OR_MISSING, Feature("t", "categorical", categories=("a", "Infinity"))):
        with pytest.raises(
            InvalidInput, match=r"^\S+( \.\.\. \S+)? is not a string; the categories are strings such as 'a'$"
        ):
            read_value(value, feature)
    # Without categories nothing is known of them.
    assert read_value(value, Feature("t", "categorical")) == category_string(value)


def test_numbers_among_words_may_be_others_than_in_training() -> None:
    for numbers in (("1", "2", "many"), ("0.5", "many")):
        feature = Feature("t", "categorical", categories=numbers)
        assert read_value(7, feature) == "7"
        with pytest.raises(InvalidInput, match="True is not a string"):
            read_value(True, feature)
    for booleans in (("True", "many"), ("FALSE", "many")):
        assert read_value(True, Feature("t", "categorical", categories=booleans)).lower() == "true"  # type: ignore[union-attr]
        with pytest.raises(InvalidInput, match="1 is not a string"):
            read_value(1, Feature("t", "categorical", categories=booleans))


def test_numbers_find_the_category_that_they_are_spelled_by() -> None:
    feature = Feature("size", "categorical", categories=("1.0", "1.5", "True", "big"))
    for value, text in (
        (1.0, "1.0"),
        (1, "1.0"),
        (7, "7"),
        (np.float32(1.5), "1.5"),
        (decimal.Decimal("1.50"), "1.5"),
        (True, "True"),
        (np.True_, "True"),
        (False, "false"),
        (2.0, "2"),
        ("1", "1"),
        ("7", "7"),
    ):
        assert read_value(value, feature) == text
    # A category that is spelled as the runtime does comes first.
    assert read_value(1.0, Feature("size", "categorical", categories=("1", "1.0"))) == "1"


@pytest.mark.parametrize("value", [*TWO, "2"])
def test_no_number_stands_for_a_name_with_a_zero_before_its_digits(value: Any) -> None:
    """What pandas makes of 002 in a file is an unknown category, and none of them is guessed."""
    for categories in (("002", "02"), ("002", "b"), ("+02", "-02", "2 b"), ("08001", "12345")):
        feature = Feature("zip", "categorical", categories=categories)
        assert read_value(value, feature) in ("2", str(value))
        assert [read_value(text, feature) for text in categories] == list(categories)
    assert read_value(12345, Feature("zip", "categorical", categories=("08001", "12345"))) == "12345"
    # A zero before a point says nothing.
    assert read_value(0.5, Feature("size", "categorical", categories=("0.50", "big"))) == "0.50"
    assert read_value(0, Feature("size", "categorical", categories=("0.0", "big"))) == "0.0"
