"""Text that is a number, and text that is none."""

import math

import pytest

from edge_runtime import InvalidInput
from edge_runtime.contract.plain_numbers import is_number, parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1.0),
        ("-1", -1.0),
        ("1e-3", 0.001),
        ("-1e-3", -0.001),
        ("+.5", 0.5),
        (" 2 ", 2.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("3.4028234663852886e38", 3.4028234663852886e38),
        ("-3.4028234663852886e38", -3.4028234663852886e38),
    ],
)
def test_words_that_are_numbers(text: str, number: float) -> None:
    assert parse_number(text) == number
    assert is_number(text)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_number("nan"))
    assert is_number(" NaN ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the value is empty"),
        (" ", "the value is empty"),
        ("a ", "'a' is not a number"),
        ("1,5", "'1,5' is not a number"),
        ("1_000", "'1_000' is not a number"),
        ("0x10", "'0x10' is not a number"),
        ("1 2", "'1 2' is not a number"),
        ("--1", "'--1' is not a number"),
        (" 1e400", "1e400 does not fit float32"),
        ("-1e300", "-1e300 does not fit float32"),
        ("3.4028235e38", "3.4028235e38 does not fit float32"),
        ("9" * 400, f"{'9' * 400} does not fit float32"),
    ],
)
def test_words_that_are_not_numbers(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_number(text)
    assert str(raised.value) == message
    assert not is_number(text)
