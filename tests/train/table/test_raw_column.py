"""What the cells of a column look like; `test_columns` has what becomes of them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edge_train.table.raw_column import RawColumn


def raw(cells: Any) -> RawColumn:
    return RawColumn("c", pa.table({"c": cells})["c"], "t.csv")


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        (["a", "", " NA ", "?", "b"], 3),
        ([1.0, None, float("nan")], 2),
        (np.array([1, np.nan], np.float16), 1),
        ([1, 2], 0),
        ([None, None], 2),
        ([[1], None], 1),
        (pa.array(["a", None, ""]).dictionary_encode(), 2),
        (pa.array(["a", ""], pa.large_string()), 1),
        (pa.array(["a", ""], pa.string_view()), 1),
    ],
)
def test_missing_values_are_counted(cells: Any, count: int) -> None:
    assert raw(cells).missing_count == count


@pytest.mark.parametrize(
    ("cells", "is_numeric", "is_boolean"),
    [
        (["1", "x", "2"], True, False),
        (["1", "x", "2", "y"], False, False),
        # It is the different strings that count.
        (["1", "x", "1", "1"], False, False),
        (["true", "False", ""], False, True),
        (["true", "no"], False, False),
        ([True, None], False, True),
        ([1, 0], True, False),
        ([b"1"], False, False),
        (pa.array([1, 2]).dictionary_encode(), True, False),
    ],
)
def test_what_cells_look_like(cells: Any, is_numeric: bool, is_boolean: bool) -> None:
    assert (raw(cells).is_numeric, raw(cells).is_boolean) == (is_numeric, is_boolean)


def test_a_thousand_different_strings_tell_whether_a_column_is_numeric() -> None:
    """The chunks after them are not looked at."""
    numbers = [f"{number}+" if number % 3 == 0 else str(number) for number in range(1500)]
    words = [f"word {number}" for number in range(9000)]
    chunks = pa.chunked_array([pa.array(numbers), pa.array(words)])
    assert RawColumn("c", chunks, "t.csv").is_numeric
    assert not RawColumn("c", pa.chunked_array(reversed(chunks.chunks)), "t.csv").is_numeric


def test_cells_are_without_the_white_space_that_python_strips() -> None:
    assert raw([" a\t", "\u2003b\u00a0", "\u3000"]).cells.to_pylist() == ["a", "b", None]
