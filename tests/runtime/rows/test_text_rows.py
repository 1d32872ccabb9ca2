"""Whether a text is CSV or JSON Lines, with a header or without one, and what comes row by row."""

import itertools
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature, InvalidInput
from edge_runtime.contract.signature import default_features
from edge_runtime.rows.row import Row
from edge_runtime.rows.text_rows import in_batches, read_rows

FEATURES = default_features(2)


def rows_of(text: str, features: tuple[Feature, ...] = FEATURES, delimiter: str | None = None) -> tuple[list[Row], str]:
    """The rows in `text`, and what was noted."""
    notes: list[str] = []
    rows = list(read_rows(text.splitlines(keepends=True), features, "rows", notes.append, delimiter))
    return rows, "\n".join(notes)


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
        "x1\tx2\n-1\t1\n2\t3\n",
        "[-1, 1]\n[2, 3]\n",
        " [-1, 1]\n[2, 3]\n",
        '{"x1": -1, "x2": 1}\n\n{"x2": 3, "x1": 2}\n',
        '\n[-1, 1]\n{"x1": 2, "x2": 3}\n',
    ],
)
def test_forms_of_the_same_rows(text: str) -> None:
    assert rows_of(text) == ([[-1, 1], [2, 3]], "")


def test_names_that_begin_as_json_does() -> None:
    features = (Feature("[Na+]"), Feature("{K}"))
    assert rows_of("[Na+],{K}\n1,2\n", features) == ([[1, 2]], "")
    assert rows_of("[Na+]\t{K}\n1\t2\n", features) == ([[1, 2]], "")


def test_other_delimiters_are_taken_if_only_they_make_a_header() -> None:
    for delimiter in "\t;|":
        assert rows_of(f"x1{delimiter}x2\n1{delimiter}2\n")[0] == [[1, 2]]
    # A header by commas and by tabs, of one feature each.
    both = (Feature("a\tb"), Feature("c"))
    assert rows_of("a\tb,c\n1,2\n", both)[0] == [[1, 2]]
    assert rows_of("1\t2\n", delimiter="\t")[0] == [[1, 2]]
    with pytest.raises(InvalidInput, match="line 1"):
        rows_of("1\t2\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows is empty; it must hold at least one row"),
        ("\n \n", "rows is empty; it must hold at least one row"),
        ("x1,x2\n", "rows has no rows below its header"),
        ("x1,x2\n\n\n", "rows has no rows below its header"),
    ],
)
def test_no_rows(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        rows_of(text)
    assert str(raised.value) == message


@given(st.lists(st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=2), min_size=1, max_size=20))
def test_what_is_written_is_read(rows: list[list[float]]) -> None:
    assert rows_of("".join(f"{a!r},{b!r}\n" for a, b in rows))[0] == rows
    assert rows_of("".join(json.dumps(row) + "\n" for row in rows))[0] == rows


@pytest.mark.parametrize("lines", [["1,2\n", "3,4\n"], ["[1, 2]\n", "[3, 4]\n"]])
def test_a_row_is_read_before_the_next_one_is_written(lines: list[str]) -> None:
    written = []

    def as_they_come() -> Iterator[str]:
        for line in lines:
            written.append(line)
            yield line

    rows = read_rows(as_they_come(), FEATURES, "rows", print)
    assert next(rows) == [1, 2]
    assert written == lines[:1]
    assert list(rows) == [[3, 4]]


def test_batches() -> None:
    rows: list[Row] = [[float(number)] for number in range(5)]
    assert list(in_batches(rows, 2)) == [[[0], [1]], [[2], [3]], [[4]]]
    assert list(in_batches(rows[:4], 2)) == [[[0], [1]], [[2], [3]]]
    assert list(in_batches([], 2)) == []


def test_batches_keep_what_came_before_an_error() -> None:
    batches = in_batches(read_rows(["1,2\n", "3,4\n", "5,6\n", "x,7\n"], FEATURES, "rows", print), 2)
    assert next(batches) == [[1, 2], [3, 4]]
    assert next(batches) == [[5, 6]]
    with pytest.raises(InvalidInput, match="line 4"):
        next(batches)
    batches = in_batches(read_rows(["1,2\n", "3,4\n", "x,7\n"], FEATURES, "rows", print), 2)
    assert next(batches) == [[1, 2], [3, 4]]
    with pytest.raises(InvalidInput, match="line 3"):
        next(batches)


def test_blank_lines_are_not_kept() -> None:
    tracemalloc.start()
    lines = itertools.chain(itertools.repeat("\n", 1_000_000), ["x,2\n"])
    with pytest.raises(InvalidInput, match="rows line 1000001: "):
        list(read_rows(lines, FEATURES, "rows", pytest.fail))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
