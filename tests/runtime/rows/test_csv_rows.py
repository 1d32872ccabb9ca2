import contextlib
import itertools

import pytest
import tables

from edge_runtime import Feature, InvalidInput, Limits
from edge_runtime.contract.signature import default_features
from edge_runtime.contract.values import is_number
from edge_runtime.rows.csv_rows import csv_rows, first_cells, names_every_feature
from edge_runtime.rows.row import Row

NUMBERS = default_features(2)
STRINGS = (
    Feature("island", "categorical", missing=0.1, categories=("Biscoe", "Dream")),
    Feature("colour", "categorical", missing=0.1, categories=("a", "b")),
)
PENGUINS = tables.PENGUINS.features


def rows_of(text: str, features: tuple[Feature, ...] = NUMBERS, delimiter: str = ",") -> tuple[list[Row], list[str]]:
    notes: list[str] = []
    lines = iter(text.splitlines(keepends=True))
    return list(csv_rows(lines, features, "rows.csv", notes.append, delimiter)), notes


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("-1,1\n2,3e0\n", []),
        ('"-1"," 1"\r\n\r\n2,3', []),
        ("x1,x2\n-1,1\n2,3\n", []),
        (" x2 , x1\n1,-1\n3,2\n", []),
        ("x2,label,x1,\n1,a,-1,\n3,,2,5\n", ["rows.csv: ignored columns: label"]),
        ("x1,x2,b,a,b\n-1,1,,,\n2,3,,,\n", ["rows.csv: ignored columns: b, a, b"]),
    ],
)
def test_forms_of_the_same_rows(text: str, notes: list[str]) -> None:
    assert rows_of(text) == ([[-1, 1], [2, 3]], notes)


def test_a_header_of_numbers() -> None:
    features = (Feature("0"), Feature("1"))
    note = "rows.csv: the first line names the features, so it is read as a header"
    assert rows_of("0,1\n5,6\n", features) == ([[5, 6]], [note])
    assert rows_of("0,7\n5,6\n", features) == ([[0, 7], [5, 6]], [])


def test_quotes_and_other_delimiters() -> None:
    assert rows_of('Dream,"a, ""b"""\n', STRINGS)[0] == [["Dream", 'a, "b"']]
    assert rows_of("Dream\ta,b\n", STRINGS, "\t")[0] == [["Dream", "a,b"]]
    # A cell may have several lines; the number of the last one is given.
    assert rows_of('Dream,"a\nb"\n', STRINGS)[0] == [["Dream", "a\nb"]]
    with pytest.raises(InvalidInput, match=r"rows\.csv line 3: 2 values are needed, found 1"):
        rows_of('island,colour\n"a\nb"\n', STRINGS)


@pytest.mark.parametrize(
    ("line", "noted"), [("c,d\n", True), ("Dream,d\n", False), ("c, a\n", False), ("Dream,a\n", False)]
)
def test_a_first_line_that_is_hardly_a_row(line: str, noted: bool) -> None:
    rows, notes = rows_of(line, STRINGS)
    assert rows == [[cell.strip() for cell in line.split(",")]]
    note = "rows.csv: the first line does not name the features, so it is read as a row"
    assert notes == ([note] if noted else [])


def test_a_first_line_of_numbers_is_a_row() -> None:
    codes = (Feature("year", "categorical", categories=(2007, 2008)), Feature("t", "categorical"))
    assert rows_of("2050,a\n", codes) == ([["2050", "a"]], [])
    assert rows_of("a,b\n", (codes[1], Feature("u", "categorical")))[1] != []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n", "line 1: 2 values are needed (x1, x2), found 1"),
        ("1,2,3\n", "line 1: 2 values are needed (x1, x2), found 3"),
        ("1,2\n1,2,3\n", "line 2: 2 values are needed, found 3"),
        ("1,2\n\n1,abc\n", "line 3: x2: 'abc' is not a number"),
        ("1,2\n1,\n", "line 2: x2: the value is empty"),
        ("1,2\n,\n", "line 2: x1: the value is empty"),
        ("1,2\n1,-1e300\n", "line 2: x2: -1e300 does not fit float32"),
        ("a,b\n1,2\n", "line 1: x1: 'a' is not a number, and as a header the line lacks x1, x2"),
        ("a,b,c\n1,2\n", "line 1: 'a' is not a number, and as a header the line lacks x1, x2"),
        ("1,b,c\n", "line 1: 'b' is not a number, and as a header the line lacks x1, x2"),
        (
            "x1,other\n1,2\n",
            "line 1: 'x1' looks like the name of a feature, and as a header the line lacks x2",
        ),
        (
            "X1 ,x2\n1,2\n",
            "line 1: 'X1' looks like the name of a feature, and as a header the line lacks x1; "
            "'X1' is not a feature; did you mean 'x1'?",
        ),
        ("x1,x1,x2\n1,1,2\n", "line 1: the header names x1 more than once"),
        ("x1,x2,more\n1,2\n", "line 2: 3 values are needed, found 2"),
        (
            "x1;x2\n1;2\n",
            "line 1: 'x1;x2' is not a number, and as a header the line lacks x1, x2; columns are separated by commas",
        ),
        (
            "x1\tx2\n1\t2\n",
            "line 1: 'x1\\tx2' is not a number, and as a header the line lacks x1, x2; columns are separated by commas",
        ),
        (
            "1,5;2,5\n",
            "line 1: '5;2' is not a number, and as a header the line lacks x1, x2; columns are separated by commas",
        ),
        (
            "1 2\n",
            "line 1: '1 2' is not a number, and as a header the line lacks x1, x2; columns are separated by commas",
        ),
        ("ab\n", "line 1: 'ab' is not a number, and as a header the line lacks x1, x2"),
        ('1,"2\n', "line 1: not CSV: unexpected end of data"),
        ('1,2\n1,"2"3\n', "line 2: not CSV: ',' expected after '\"'"),
    ],
)
def test_what_is_not_a_row(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of(text)
    assert str(raised.value) == f"rows.csv {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # A word among numbers may be a category, if there is one.
        ("Dream,1,2,0\n", "line 1: 5 values are needed (island, bill, mass, ringed, year), found 4"),
        (
            "a,b,c,d\n",
            "line 1: 'a' is not a number, and as a header the line lacks island, bill, mass, ringed, year",
        ),
        (
            "a,b,c,d,e\n",
            "line 1: bill: 'b' is not a number, and as a header the line lacks island, bill, mass, ringed, year",
        ),
        (
            "island,bil,mass,year,ringed\n",
            "line 1: 'island' looks like the name of a feature, and as a header the line lacks bill; "
            "'bil' is not a feature; did you mean 'bill'?",
        ),
        ("Dream,1,2,0,2007\nDream,1,2,0,now\n", "line 2: year: 'now' is not a number"),
        (
            "Dream,1,2,0,2007\nDream,1,2,,2007\n",
            "line 2: ringed: the value is missing, and missing values are not accepted for this feature",
        ),
    ],
)
def test_what_is_not_a_row_of_a_table(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of(text, PENGUINS)
    assert str(raised.value) == f"rows.csv {message}"


def test_one_feature() -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of("1,2\n", (Feature("x"),))
    assert str(raised.value) == "rows.csv line 1: 1 value is needed (x), found 2"


def test_first_cells() -> None:
    assert first_cells('a,"b,c"\n', ",") == ["a", "b,c"]
    assert first_cells("a\tb\n", "\t") == ["a", "b"]
    assert first_cells("a" * 200_000, ",") == ["a" * 200_000]
    assert first_cells("a" * 201, ",", Limits(line_bytes=200)) == []
    # The header may go on in the next line.
    assert first_cells('a,"b\n', ",") == ["a", "b\n"]


def test_headers() -> None:
    assert names_every_feature(["more", " x2", "x1 "], NUMBERS)
    assert not names_every_feature(["x2", "X1"], NUMBERS)
    assert not names_every_feature([], NUMBERS)


def test_a_header_of_a_million_columns() -> None:
    header = ",".join(f"a{column}" for column in range(1_000_000))
    notes: list[str] = []
    row = "," * 999_999
    assert list(csv_rows(iter([f"{header},x1,x2\n", f"{row},1,2\n"]), NUMBERS, "rows", notes.append, ",")) == [[1, 2]]
    assert len(notes) == 1
    assert len(notes[0]) < 200


def test_a_quote_that_is_never_closed() -> None:
    lines = itertools.chain(['1,"2\n'], itertools.repeat("3,4\n"))
    with pytest.raises(InvalidInput, match="a cell has more than 1,000 characters, or its quote is never closed; "):
        list(csv_rows(lines, NUMBERS, "rows", pytest.fail, ",", Limits(line_bytes=1000)))


def test_a_long_cell() -> None:
    longest = "x" * 1_000_000
    assert rows_of(f"island,colour,note\nDream,{longest},{longest}\n", STRINGS)[0] == [["Dream", longest]]


def test_a_first_line_of_many_equal_cells_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(cell: str) -> bool:
        asked.append(cell)
        return is_number(cell)

    monkeypatch.setattr("edge_runtime.rows.csv_rows.is_number", counted)
    for features in (NUMBERS, STRINGS):
        with contextlib.suppress(InvalidInput):
            rows_of("," * 10_000, features)
    assert len(asked) < 20
