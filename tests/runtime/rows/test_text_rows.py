import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature, InvalidInput
from edge_runtime.contract.signature import default_features
from edge_runtime.contract.values import parse_number
from edge_runtime.rows.text_rows import in_blocks, parse_words, read_rows

FEATURES = default_features(2)


def rows_of(text: str, notes: list[str] | None = None) -> list[list[float]]:
    return list(
        read_rows(text.splitlines(keepends=True), FEATURES, "rows", (notes if notes is not None else []).append)
    )


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
    ],
)
def test_numbers(text: str, number: float) -> None:
    assert parse_number(text) == number


def test_nan() -> None:
    assert math.isnan(parse_number("nan"))


@pytest.mark.parametrize("text", ["", " ", "a", "1,5", "1_000", "0x10", "1 2", "--1", "1e400", "-1e300", "9" * 400])
def test_not_numbers(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is not a number|is empty|does not fit float32"):
        parse_number(text)


def test_values() -> None:
    features = default_features(2)
    assert parse_words(["-1", "1e3"], features) == [-1, 1000]
    with pytest.raises(InvalidInput, match=r"2 values are needed \(x1, x2\), found 1"):
        parse_words(["1"], features)
    with pytest.raises(InvalidInput, match="x2: 'b' is not a number"):
        parse_words(["1", "b"], features)


@pytest.mark.parametrize(
    "text",
    [
        "-1,1\n2,3e0\n",
        "-1,1\r\n2,3\r\n",
        "-1,1\n\n2,3",
        "\n\n-1,1\n2,3",
        '"-1"," 1"\n2,3',
        "x1,x2\n-1,1\n2,3\n",
        " x1 , x2 \n-1,1\n2,3\n",
        "x2,label,x1\n1,a,-1\n3,,2\n",
        "[-1, 1]\n[2, 3]\n",
        '{"x1": -1, "x2": 1}\n\n{"x2": 3, "x1": 2}\n',
        '[-1, 1]\n{"x1": 2, "x2": 3, "more": "text"}\n',
    ],
)
def test_forms_of_the_same_rows(text: str) -> None:
    assert rows_of(text) == [[-1, 1], [2, 3]]


def test_names_that_look_like_something_else() -> None:
    notes: list[str] = []
    assert list(read_rows(["[Na+],{K}\n", "1,2\n"], [Feature("[Na+]"), Feature("{K}")], "rows", notes.append)) == [
        [1, 2]
    ]
    assert notes == []
    assert list(read_rows(["0,1\n", "5,6\n"], [Feature("0"), Feature("1")], "rows", notes.append)) == [[5, 6]]
    assert notes == ["rows: the first line names the features, and is taken for a header"]


def test_ignored_columns_are_noted_once() -> None:
    notes: list[str] = []
    rows_of("x1,x2,diagnosis\n1,2,a\n3,4,b\n", notes)
    rows_of('{"x1": 1, "x2": 2, "diagnosis": "a"}\n{"x1": 1, "x2": 2, "diagnosis": "a"}\n', notes)
    assert notes == 2 * ["rows: ignored columns: diagnosis"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows is empty"),
        ("\n \n", "rows is empty"),
        ("x1,x2\n", "no row below its header"),
        ("1\n", r"line 1: 2 values are needed \(x1, x2\), found 1"),
        ("1,2\n1,2,3\n", "line 2: 2 values are needed.*found 3"),
        ("1,2\n\n1,abc\n", "line 3: x2: 'abc' is not a number"),
        ("1,2\n1,\n", "line 2: x2: the value is empty"),
        ("a,b\n1,2\n", "line 1: 'a' is not a number, and as a header the line lacks x1, x2"),
        ("x1,other\n1,2\n", "as a header the line lacks x2"),
        ("x1,x1,x2\n1,1,2\n", "names x1 more than once"),
        ("x1,x2,more\n1,2\n", "line 2: 3 values are needed, found 2"),
        ('1,"2\n', "line 1: not CSV"),
        ("[1, 2\n", "line 1: not JSON"),
        ("[1, 2]\n[1]\n", r"line 2: 2 values are needed \(x1, x2\), found 1"),
        ('[1, "2"]\n', 'line 1: x2: "2" is not a number'),
        ("[1, null]\n", "x2: null is not a number"),
        ("[1, true]\n", "x2: true is not a number"),
        ("[1, 1e400]\n", "1e400 does not fit float32"),
        ("1,2\n1,-1e300\n", "line 2: x2: -1e300 does not fit float32"),
        ("1,2\n,\n", "line 2: x1: the value is empty"),
        (f"[1, {10**400}]\n", "x2: the number does not fit float32"),
        ('{"x1": 1}\n', "missing x2"),
        ("[1, 2]\n5\n", "line 2: a JSON line is an array of values"),
        ("[" * 100_000 + "\n", "line 1"),
    ],
)
def test_bad_rows(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        rows_of(text)


@given(st.lists(st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=2), min_size=1, max_size=20))
def test_what_is_written_is_read(rows: list[list[float]]) -> None:
    assert rows_of("".join(f"{a!r},{b!r}\n" for a, b in rows)) == rows
    assert rows_of("".join(json.dumps(row) + "\n" for row in rows)) == rows


def test_a_row_is_read_before_the_next_one_is_written() -> None:
    written = []

    def lines():
        for line in ("1,2\n", "3,4\n"):
            written.append(line)
            yield line

    rows = read_rows(lines(), FEATURES, "rows", print)
    assert next(rows) == [1, 2]
    assert written == ["1,2\n"]


def test_blocks_keep_what_came_before_an_error() -> None:
    blocks = in_blocks(read_rows(["1,2\n", "3,4\n", "5,6\n", "x,7\n"], FEATURES, "rows", print), 2)
    assert next(blocks) == [[1, 2], [3, 4]]
    assert next(blocks) == [[5, 6]]
    with pytest.raises(InvalidInput, match="line 4"):
        next(blocks)
