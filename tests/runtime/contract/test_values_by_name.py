"""Rows that name their values, and names in messages."""

import pytest

from edge_runtime import Feature, InvalidInput
from edge_runtime.contract.values import listed, row_values


def test_values_of_a_mapping() -> None:
    features = (Feature("a"), Feature("b", missing=0.0), Feature("c", missing=0.1))
    assert row_values({"c": 3, "b": 2, "more": 4, "a": 1}, features) == [1, 2, 3]
    assert row_values({"a": 1, "b": None}, features) == [1, None, None]
    with pytest.raises(InvalidInput, match=r"^missing a, b$"):
        row_values({"c": 1}, features)


def test_a_mapping_with_a_misspelt_name() -> None:
    features = (Feature("island"), Feature("bill_mm"), Feature("year", missing=0.1))
    message = r"^missing bill_mm; 'bil_mm' is not a feature; did you mean 'bill_mm'\?$"
    for row in ({"island": 1, "bil_mm": 2}, {5: 1, "wing": 0, "island": 1, "bil_mm": 2}):
        with pytest.raises(InvalidInput, match=message):
            row_values(row, features)
    # A name that the features have is not misspelt, however much it is like another one.
    with pytest.raises(InvalidInput, match=r"^missing a2$"):
        row_values({"a1": 1}, (Feature("a1"), Feature("a2")))
    # Thousands of other names take no time.
    with pytest.raises(InvalidInput, match=r"^missing island, bill_mm$"):
        row_values({f"column {number}": 1 for number in range(100_000)}, features)


def test_many_names_in_one_line() -> None:
    names = [f"x{number}" for number in range(1, 15)]
    assert listed(names) == "x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, ... x14"
    assert listed(names[:12]) == "x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12"
    assert listed(iter(["a"])) == "a"
