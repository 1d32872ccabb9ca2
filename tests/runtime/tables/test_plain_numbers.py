"""Arrow's numbers are those of `parse_number`, in text of any kind."""

import math

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.values import MISSING_WORDS, parse_number
from edge_runtime.tables.plain_numbers import are_plain, numbers_of, row_numbers, stripped

CELLS = st.one_of(
    st.floats(width=32).map(str),
    st.floats().map(repr),
    st.integers().map(str),
    st.from_regex(r"[-+]?[0-9.]{0,5}([eE][-+]?[0-9]{0,3})?", fullmatch=True),
    st.sampled_from(
        [*sorted(MISSING_WORDS), "inf", "-inf", "nan(1)", "-nan", "infinity", "0x10", "1_0", "1d5", "\u0661"]
    ),
    st.text("0123456789.,e+-_ xninfat\u00a0", max_size=6),
)


@given(st.lists(CELLS.map(str.strip), min_size=1, max_size=5))
def test_what_arrow_takes_is_what_python_takes(cells: list[str]) -> None:
    found = numbers_of(pa.array(cells))
    if found is not None:
        for cell, number in zip(cells, found.to_pylist(), strict=True):
            if cell in MISSING_WORDS:
                assert number is None
            else:
                assert math.copysign(1, number) == math.copysign(1, parse_number(cell))
                assert number == parse_number(cell)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr), min_size=1))
def test_ordinary_numbers_are_taken(cells: list[str]) -> None:
    found = [numbers_of(pa.array(cells)), numbers_of(pa.array([cell.replace(".", ",") for cell in cells]), ",")]
    assert all(numbers is not None and numbers.to_pylist() == list(map(float, cells)) for numbers in found)


def test_a_point_is_not_a_decimal_comma() -> None:
    assert numbers_of(pa.array(["1.5"]), ",") is None
    assert numbers_of(pa.array(["1,5"])) is None


def test_beyond_float32_and_nan_are_left_to_python() -> None:
    for number in (1e39, -math.inf, math.nan):
        assert not are_plain(pa.array([1.0, number, None]))
    assert are_plain(pa.array([1.0, None]))
    assert are_plain(pa.array([], pa.float64()))


@given(st.text())
def test_white_space_is_that_of_python(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert stripped(pa.array([text])).to_pylist() == [text.strip()]


def test_numbers_of_rows() -> None:
    assert row_numbers(7, 3).tolist() == [7, 8, 9]


def test_a_number_that_python_refuses() -> None:
    try:
        parse_number("1e39")
    except InvalidInput:
        assert numbers_of(pa.array(["1e39"])) is None
