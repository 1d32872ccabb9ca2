"""How a text file writes a table, found from its first lines."""

import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import DEFAULTS
from edge_runtime.tables.dialect import checked_decimal, checked_delimiter, find_decimal, find_delimiter


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('"a,x";"b"\n"1,2";3\n', ";"),
        ("Price, EUR;Count;x\n1,5;2;3\n", ";"),
        ("text\nhello, you; there\n", ","),
        ("a,b\n1;2,x\n", ","),
        ("a;b,c;d\n1;2;3\n4;5;6\n", ";"),
        ('name,note\nx,"a;b;c"\ny,"d;e;f"\n', ","),
    ],
)
def test_delimiters(text: str, delimiter: str) -> None:
    assert find_delimiter(text.splitlines(keepends=True), "table.csv", DEFAULTS) == delimiter


def test_a_name_decides_where_the_text_does_not() -> None:
    assert find_delimiter(["a\n"], "table.tsv.gz", DEFAULTS) == "\t"
    assert find_delimiter(["a\n"], "table.csv", DEFAULTS) == ","
    assert find_delimiter(["a,b\n", "1,2\n"], "table.tsv", DEFAULTS) == ","


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal"),
    [
        ("1,5;x\n", ";", ","),
        ("1.234,56;x\n", ";", ","),
        ("1.234;5,5\n", ";", ","),
        ("12,5 %;-3,25 €\n", ";", ","),
        ("1.5;a\n", ";", "."),
        ("1,234.50;a\n", ";", "."),
        ("1,234;1.5\n", ";", "."),
        ('"1,5",x\n', ",", ","),
        ('"1,234",x\n', ",", "."),
        ("1;2\n", ";", "."),
        ("a, b;x\n", ";", "."),
    ],
)
def test_decimal_marks(text: str, delimiter: str, decimal: str) -> None:
    assert find_decimal(text.splitlines(keepends=True), delimiter, DEFAULTS) == decimal


def test_what_a_user_gives() -> None:
    assert [checked_delimiter(word) for word in ("tab", "\\t", ";", "pipe", "^")] == ["\t", "\t", ";", "|", "^"]
    assert [checked_decimal(word) for word in (",", "comma", ".")] == [",", ",", "."]
    for word in ("", ";;", '"', "\n", "a", "§"):
        with pytest.raises(InvalidInput, match="cannot separate columns"):
            checked_delimiter(word)
    with pytest.raises(InvalidInput, match="not a decimal mark"):
        checked_decimal(";")
