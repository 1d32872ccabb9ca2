import math

import pytest
import tables

from edge_runtime import Feature, InvalidInput, Limits
from edge_runtime.contract.signature import default_features
from edge_runtime.rows.json_rows import json_rows
from edge_runtime.rows.row import Row

NUMBERS = default_features(2)
PENGUINS = tables.PENGUINS.features
NAN = math.nan


def rows_of(text: str, features: tuple[Feature, ...] = NUMBERS) -> tuple[list[Row], list[str]]:
    notes: list[str] = []
    return list(json_rows(iter(text.splitlines(keepends=True)), features, "rows", notes.append)), notes


def test_arrays_and_objects() -> None:
    text = '[-1, 1]\n\n{"x2": 3e0, "x1": 2}\n'
    assert rows_of(text) == ([[-1, 1], [2, 3]], [])


def test_values_of_every_kind() -> None:
    text = """["Dream", 40.5, 3000, true, 2007]
[null, null, "NA", 0, null]
{"ringed": "False", "bill": "?", "island": " Foo ", "year": 2007.0}
{"ringed": false, "bill": 1, "island": "", "year": "2007"}
"""
    rows, notes = rows_of(text, PENGUINS)
    assert notes == []
    expected = [
        ["Dream", 40.5, 3000, 1, "2007"],
        ["", NAN, NAN, 0, ""],
        ["Foo", NAN, NAN, 0, "2007"],
        ["", 1, NAN, 0, "2007"],
    ]
    assert list(map(repr, map(list, rows))) == [
        repr([float(value) if isinstance(value, int) else value for value in row]) for row in expected
    ]


def test_every_ignored_name_is_noted_once() -> None:
    text = '{"x1": 1, "x2": 2, "a": 1}\n{"x1": 1, "x2": 2, "a": 1, "b": 2, "c": 2}\n{"x1": 1, "x2": 2, "c": 3}\n'
    assert rows_of(text)[1] == ["rows: ignored columns: a", "rows: ignored columns: b, c"]


def test_a_misspelt_name_is_not_noted_besides_its_error() -> None:
    notes: list[str] = []
    lines = ['{"x1": 1, "x2": 2, "a": 1}', '{"x1": 1, "xx2": 2, "b": 1}']
    rows = json_rows(iter(lines), NUMBERS, "rows", notes.append)
    next(rows)
    with pytest.raises(InvalidInput, match="'xx2' is not a feature; did you mean 'x2'"):
        next(rows)
    assert notes == ["rows: ignored columns: a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]\n[1]\n", "line 2: 2 values are needed (x1, x2), found 1"),
        ('[1, "2"]\n', 'line 1: x2: "2" is not a number'),
        ('["ö", 2]\n', 'line 1: x1: "ö" is not a number'),
        (
            "[[1, 2], [3, 4]]\n",
            "line 1: a line holds one row, and this is a list of rows; give each its own line",
        ),
        (
            '[{"x1": 1, "x2": 2}]\n',
            "line 1: a line holds one row, and this is a list of rows; give each its own line",
        ),
        ("[1, null]\n", "line 1: x2: null is not a number"),
        ("[1, true]\n", "line 1: x2: true is not a number"),
        ("[1, [2]]\n", "line 1: x2: [2] is not a number"),
        ("\n[1, 1e400]\n", "line 2: 1e400 does not fit float32"),
        (f"[1, {10**400}]\n", "line 1: x2: the number does not fit float32"),
        ('{"x1": 1}\n', "line 1: missing x2"),
        ('{"x1": 1, "X2": 2}\n', "line 1: missing x2; 'X2' is not a feature; did you mean 'x2'?"),
        ("[1, 2]\n5\n", "line 2: a JSON line must be an array of values, or an object by feature name"),
        ('"ab"\n', "line 1: a JSON line must be an array of values, or an object by feature name"),
    ],
)
def test_what_is_not_a_row(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of(text)
    assert str(raised.value) == f"rows {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"island": "Dream", "bill": 4}', "missing ringed"),
        ('{"ringed": true}', "missing island, bill"),
        ('{"island": "Dream", "bill": "4", "ringed": true}', 'bill: "4" is not a number'),
        ('{"island": "Dream", "bill": true, "ringed": true}', "bill: true is not a number"),
        ('["Dream", 1, 2, [], 2007]', "ringed: [] is not a number"),
        ('["\\ud800", 1, 2, 1, 2007]', "'\\ud800' is half a character"),
        ('{"island": "Dream", "bill": 1, "ringed": 1, "\\uDFFF": [{}]}', "'\\udfff' is half a character"),
        ('["\\ud83e\\udd89", "\\u0031 ", 2, [], 2007]', 'bill: "1 " is not a number'),
        (
            '["Dream", 1, 2, null, 2007]',
            "ringed: the value is missing, and missing values are not accepted for this feature",
        ),
    ],
)
def test_what_is_not_a_row_of_a_table(line: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of(line, PENGUINS)
    assert str(raised.value) == f"rows line 1: {message}"


def test_what_is_not_json() -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of("[1, 2]\n  [1, 2\n")
    assert str(raised.value) == "rows line 2: not JSON: Expecting ',' delimiter at character 8; a line holds one row"


def test_more_digits_than_python_converts() -> None:
    with pytest.raises(InvalidInput, match="rows line 1: an integer has too many digits"):
        rows_of(f"[1, {'1' * 5000}]\n")


def test_deep_nesting() -> None:
    with pytest.raises(InvalidInput, match="rows line 1: "):
        rows_of("[" * 100_000 + "\n")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_found_before_it_is_read(opening: str) -> None:
    for levels in (101, 20_000, 1_000_000):
        with pytest.raises(
            InvalidInput, match=r"rows line 2: arrays and objects are nested deeper than 100 levels; .*--limit"
        ):
            rows_of(f"[1, 2]\n{opening * levels}\n")
    # What is not deep, and holds many of them.
    assert rows_of('{"x1": 1, "x2": 2, "a": [' + "[]," * 1000 + "[]]}\n")[0] == [[1, 2]]
    deep = f'{{"x1": 1, "x2": 2, "a": {"[" * 5000}{"]" * 5000}}}'
    with pytest.raises(InvalidInput, match="line 1: arrays and objects are nested too deeply"):
        list(json_rows(iter([deep]), NUMBERS, "rows", pytest.fail, Limits(json_depth=None)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1" * 1_000_000, "an integer has too many digits"),
        ("1e999999", "1e999999 does not fit float32"),
        ("0." + "1" * 1_000_000 + "e400", "does not fit float32"),
        ('"' + "a" * 1_000_000 + '"', "is not a number"),
        ("[" + "1," * 100_000 + "1]", "is not a number"),
        ('"\\ud800"', "is half a character"),
        ('"\0"', "not JSON"),
    ],
    ids=["digits", "exponent", "fraction", "string", "list", "half a character", "null character"],
)
def test_long_and_odd_values_in_a_short_message(value: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of(f"[1, {value}]\n")
    assert message in str(raised.value)
    assert len(str(raised.value)) < 600


def test_names_without_end_are_not_all_told() -> None:
    row = ", ".join(f'"a{name}": 0' for name in range(100_000))
    noted = rows_of(f'{{"x1": 1, "x2": 2, {row}}}\n' * 2 + '{"x1": 1, "x2": 2, "b": 0}\n')[1]
    assert len(noted) == 1
    assert len(noted[0]) < 200
