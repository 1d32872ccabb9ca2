"""Words for false and true."""

from typing import Any

import pyarrow as pa
import pytest

from edge_train import Column, find_columns
from edge_train.table.boolean_words import boolean_words


@pytest.mark.parametrize(
    ("cells", "words", "expected"),
    [
        (["Yes", "no", "YES", ""], ("no", "Yes"), [1, 0, 1, None]),
        (["ja", "nein"], ("nein", "ja"), [1, 0]),
        (["J", "n", "j"], ("n", "J"), [1, 0, 1]),
        (["Y", "N"], ("N", "Y"), [1, 0]),
        (["N", ""], ("N", "y"), [0, None]),
        (["oui", "non"], ("non", "oui"), [1, 0]),
        (["Sí", "No"], ("No", "Sí"), [1, 0]),
        (["T", "F"], ("F", "T"), [1, 0]),
        (["wahr", "falsch"], ("falsch", "wahr"), [1, 0]),
        (["on", "OFF"], ("OFF", "on"), [1, 0]),
        (["是", "否"], ("否", "是"), [1, 0]),
        (["true", "False"], None, [1, 0]),
        (["true", ""], None, [1, None]),
    ],
)
def test_pairs(cells: list[str], words: tuple[str, str] | None, expected: list[Any]) -> None:
    (column,) = find_columns(pa.table({"c": cells}), "t.csv")
    assert isinstance(column, Column)
    assert (column.kind, column.words) == ("boolean", words)
    assert [None if value != value else value for value in column.values.tolist()] == expected


@pytest.mark.parametrize("cells", [["yes", "nein"], ["ja", "nein", "vielleicht"], ["M", "F"], ["yes", "no", "1"]])
def test_other_words_are_categories(cells: list[str]) -> None:
    (column,) = find_columns(pa.table({"c": cells}), "t.csv")
    assert isinstance(column, Column)
    assert column.kind == "categorical"


def test_a_word_far_down_the_column_counts() -> None:
    (column,) = find_columns(pa.table({"c": ["yes", "no"] * 500 + ["maybe"]}), "t.csv")
    assert isinstance(column, Column)
    assert column.kind == "categorical"
    assert boolean_words(["yes", "no", "maybe"]) is None
