"""Every way in which rows of a table may be given leads to the same tensors, or to an error that names the feature."""

import csv
import io
import json
import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from penguin_rows import ORDER, ROWS, assert_same, listed, plain

from edge_runtime import Feature, Input, InvalidInput, Signature
from edge_runtime.rows.row_reader import RowReader
from edge_runtime.rows.text_rows import read_rows
from edge_runtime.rows.words import parse_words

NAN = math.nan


@pytest.fixture(scope="module")
def reader() -> RowReader:
    return RowReader(tables.PENGUINS, np.dtype(np.float32))


def masked() -> Any:
    return np.ma.masked_array(np.array(listed(), object), [[value is None for value in row] for row in listed()])


@pytest.mark.parametrize(
    "form",
    [
        lambda: ROWS,
        lambda: tuple(ROWS),
        lambda: [dict(reversed(row.items()), more="ignored") for row in ROWS],
        # mass and year may be absent, since some of their values were missing in training.
        lambda: [ROWS[0], {"island": "?", "bill": "NA", "ringed": "FALSE"}, ROWS[2]],
        listed,
        lambda: tuple(map(tuple, listed())),
        lambda: [tuple(row) for row in listed()],
        lambda: np.array(listed(), object),
        lambda: np.asfortranarray(np.array(listed(), object)),
        masked,
        lambda: [[*row[:3], str(row[3]).upper(), row[4] and f" {row[4]}.0 "] for row in listed()],
        lambda: [[NAN if value is None else value for value in row] for row in listed()],
    ],
)
def test_forms_of_the_same_rows(reader: RowReader, form: Callable[[], Any]) -> None:
    assert_same(reader.tensors(form()))


def test_values_that_were_read_already(reader: RowReader) -> None:
    rows: list[list[float | str]] = [
        ["Dream", 40.5, 3000.0, 1.0, "2007"],
        ["", NAN, NAN, 0.0, ""],
        ["Foo", 50.0, 9000.0, 0.0, "2050"],
    ]
    assert_same(reader.tensors_of_read(rows))
    assert_same(reader.tensors_of_read(rows[:1]), slice(0, 1))


def test_in_words(reader: RowReader) -> None:
    assert repr(reader) == "RowReader(5 features, float32)"


def test_one_row(reader: RowReader) -> None:
    for row in (ROWS[0], listed()[0], tuple(listed()[0]), np.array(listed()[0], object), [ROWS[0]], [listed()[0]]):
        assert_same(reader.tensors(row), slice(0, 1))


def test_an_array_of_strings() -> None:
    strings = RowReader(tables.ISLANDS, np.dtype(object))
    for rows in (np.array([["Dream", "2007.0"], ["NA", "?"]]), [["Dream", 2007], [None, None]]):
        (found,) = strings.tensors(rows).values()
        np.testing.assert_array_equal(found, np.array([["Dream", "2007"], ["", ""]], object), strict=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[]], r"a row has 5 values \(island, bill, mass, ringed, year\), found 0"),
        (["Dream", 40], "found 2"),
        ([["Dream", 40]], "found 2"),
        ([listed()[0], listed()[0][:4]], "rows: all must have the same length, found 4 and 5 values"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], "rows: not an array"),
        (np.array([listed()], object), r"found shape \(1, 3, 5\)"),
        (5, "found 1"),
        ({}, "missing island, bill, ringed"),
        ({"island": "Dream", "bill": 1, "mass": 2}, "missing ringed"),
        ([ROWS[0], {}], "missing island, bill, ringed"),
        ([ROWS[0], 5], "a list of dicts must hold only dicts, found 5"),
        ({name: [row[name] for row in ROWS] for name in ORDER}, "island is a list, but a dict is one row"),
        ({name: np.array([1]) for name in ORDER}, "island is a ndarray, but a dict is one row"),
        ({**ROWS[0], "mass": "3,000"}, "mass: '3,000' is not a number"),
        ({**ROWS[0], "mass": b"3000"}, "mass: b'3000' is not a number"),
        ({**ROWS[0], "island": 5}, "island: 5 is not a string; the categories are strings such as 'Biscoe'"),
        ([ROWS[0], {**ROWS[0], "island": True}], "island: True is not a string"),
        ({**ROWS[0], "mass": 10**400}, "mass: the number does not fit float32"),
        ([ROWS[0], {**ROWS[0], "mass": 10**400}], "mass: the number does not fit float32"),
        ([{**ROWS[0], "mass": 1e300}] * 2, r"mass: 1e\+300 does not fit float32"),
        ({**ROWS[0], "ringed": None}, "ringed: the value is missing, and missing values are not accepted"),
        ({**ROWS[0], "ringed": "yes"}, "ringed: 'yes' is neither true nor false"),
        ({**ROWS[0], "year": "soon"}, "year: 'soon' is not a number"),
        ({**ROWS[0], "year": True}, "year: True is not an integer"),
        ({**ROWS[0], "island": "\ud800"}, "island: .* a tensor of strings cannot hold"),
        ([[[1], 1, 1, 1, 1]], "island: .*neither a string nor a number"),
        ([listed()[0], [*listed()[0][:4], []]], "year: .* is not a number"),
    ],
)
def test_rows_that_do_not_fit(reader: RowReader, rows: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        reader.tensors(rows)


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2], [None, 4]],
        [[1, 2], ["NA", 4]],
        np.ma.masked_array([[1, 2], [3, 4]], [[False, False], [True, False]]),
        np.array([[1, 2], [None, 4]], object),
        [{"a": 1, "b": 2}, {"b": 4}],
        [[1, 2], [NAN, np.float64(4)]],
    ],
)
def test_missing_values_among_numbers(rows: Any) -> None:
    assert plain(0.5).is_plain
    (found,) = plain(0.5).tensors(rows).values()
    np.testing.assert_array_equal(found, np.array([[1, 2], [NAN, 4]], np.float32), strict=True)


def test_numbers_of_a_model_without_missing_values() -> None:
    for rows in ([[1, None]], [[1, "NA"]], {"a": 1, "b": None}, [{"a": 1, "b": None}] * 2):
        for missing in (None, 0.5):
            with pytest.raises(
                InvalidInput, match=r"found objects|found strings|None is not a number|'NA' is not a number"
            ):
                plain(missing).tensors(rows)
    assert np.isnan(plain(None).tensors([[1, NAN]])["x"][0, 1])


def test_a_narrow_type() -> None:
    signature = Signature((Input("x", (Feature("a", missing=0.0), Feature("b", "boolean"))),), "p", (0, 1))
    narrow = RowReader(signature, np.dtype(np.float16))
    assert narrow.tensors([1, True])["x"].dtype == np.float16
    for rows in ([1e5, 1], [[1e5, 1]] * 2, np.array([[1e5, 1]] * 2), [["NA", 1], [1e5, 1]]):
        with pytest.raises(InvalidInput, match=r"a: .* does not fit float16"):
            narrow.tensors(rows)
    np.testing.assert_array_equal(
        narrow.tensors_of_read([[0.1, 1.0]])["x"], np.array([[0.1, 1]], np.float16), strict=True
    )
    with pytest.raises(InvalidInput, match="a: a value does not fit float16"):
        narrow.tensors_of_read([[1.0, 0.0], [1e5, 1.0]])


strings = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
missing = st.sampled_from([None, NAN, "", "NA", " ? ", "null"])
numbers = st.floats(-(2.0**100), 2.0**100, width=32)
rows_of_penguins = st.fixed_dictionaries(
    {
        "island": strings | missing,
        "bill": numbers | missing,
        "mass": numbers | missing,
        "ringed": st.booleans(),
        "year": st.integers(-(10**6), 10**6) | missing,
    }
)


@given(st.lists(rows_of_penguins, min_size=1, max_size=5))
def test_whatever_the_rows_every_way_gives_the_same(rows: list[dict[str, Any]]) -> None:
    reader, features = RowReader(tables.PENGUINS, np.dtype(np.float32)), tables.PENGUINS.features
    expected = reader.tensors(rows)
    table = io.StringIO()
    writer = csv.DictWriter(table, ["year", "species", *ORDER[:4]])
    writer.writeheader()
    writer.writerows(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for text in (table.getvalue(), lines):
        read = list(read_rows(io.StringIO(text, newline=""), features, "rows", lambda _: None))
        for found in (reader.tensors_of_read(read), reader.tensors(read), reader.tensors(np.array(read, object))):
            for name, array in found.items():
                np.testing.assert_array_equal(array, expected[name], strict=True)
    for form in ([list(map(row.get, ORDER)) for row in rows], [tuple(map(row.get, ORDER)) for row in rows]):
        for name, array in reader.tensors(form).items():
            np.testing.assert_array_equal(array, expected[name], strict=True)
    words = [f"{name}={'' if value is None else value}" for name, value in rows[0].items()]
    for name, array in reader.tensors_of_read([parse_words(words, features)]).items():
        np.testing.assert_array_equal(array, expected[name][:1], strict=True)


def test_one_and_true_are_not_the_same_string() -> None:
    feature = Feature("t", "categorical", missing=0.0, categories=("9", "true"))
    signature = Signature((Input("t", (feature,)),), "p", (0, 1))
    rows = [[1], [True], [1.0], ["1"], [None], [NAN], [np.float32(0.5)]]
    found = RowReader(signature, np.dtype(object)).tensors(rows)["t"]
    assert found[:, 0].tolist() == ["1", "true", "1", "1", "", "", "0.5"]


def test_a_namedtuple_names_its_values(reader: RowReader) -> None:
    row = {"year": 2007, "ringed": True, "mass": 4000.0, "bill": 44.0, "island": "Dream"}
    expected = reader.tensors(row)
    named = namedtuple("named", row)(**row)
    for rows in (named, [named], (named,)):
        for name, array in reader.tensors(rows).items():
            np.testing.assert_array_equal(array, expected[name])


def test_rows_of_csv(reader: RowReader) -> None:
    """Every value is a string then, and is read as the command reads it."""
    text = "ringed,year,more,mass,bill,island\nTRUE,2007.0,x,3e3, 40.5 ,Dream\nfalse,,y,NA,?,\n0,2050,z,9000,50, Foo \n"
    assert_same(reader.tensors(csv.DictReader(io.StringIO(text))))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert_same(reader.tensors(rows))
    assert_same(reader.tensors(row for row in rows))
    assert_same(reader.tensors(rows[0]), slice(0, 1))
    by_position = [[row[name] for name in ORDER] for row in rows]
    for form in (by_position, np.array(by_position), np.array(by_position, object), iter(by_position)):
        assert_same(reader.tensors(form))


@pytest.mark.parametrize(
    ("line", "found"), [("Dream,40.5,3000,2007,true,more,\n", 7), ("Dream,40.5,3000,2007\n", 4), ("\nDream\n", 1)]
)
def test_lines_of_csv_that_do_not_fit_their_header(reader: RowReader, line: str, found: int) -> None:
    header, good = "island,bill,mass,year,ringed\n", "Dream,40.5,3000,2007,true\n"
    number = 2 + line.count("\n")
    with pytest.raises(InvalidInput, match=f"^line {number}: 5 values are needed, found {found}$"):
        reader.tensors(csv.DictReader(io.StringIO(header + good + line)))
    filled = csv.DictReader(io.StringIO("island,bill,mass,ringed,year\nDream,40.5,3000,true\n"), restval="2007")
    assert_same(reader.tensors(filled), slice(0, 1))


def test_numbers_as_strings() -> None:
    for missing in (None, 0.5):
        for rows in (
            [["1", "2.5"]],
            ["1", "2.5"],
            [[1, "2.5"], ["1", 2.5]],
            np.array([["1", "2.5"]]),
            np.array([["1", 2.5]], object),
            {"a": "1", "b": " 2.5 "},
            [{"a": "1", "b": "2.5"}, {"b": 2.5, "a": "1e0"}],
        ):
            found = plain(missing).tensors(rows)["x"]
            np.testing.assert_array_equal(found, np.array([[1, 2.5]] * len(found), np.float32), strict=True)
        for rows in ([["1", "2,5"]], [["a", "b"], ["1", "2.5"]], {"a": "1", "b": "x"}, np.array([[b"1", b"2"]])):
            with pytest.raises(InvalidInput, match=r"[ab]: .* is not a number"):
                plain(missing).tensors(rows)


@pytest.mark.parametrize(
    "rows", [[], (), np.array([]), np.empty((0, 0)), iter([]), csv.DictReader(io.StringIO("a,b\n"))]
)
def test_no_rows(reader: RowReader, rows: Any) -> None:
    rows = list(rows) if hasattr(rows, "__next__") else rows
    for form in (rows, iter(rows)):
        found = reader.tensors(form)
        assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
            "x": ((0, 3), np.dtype(np.float32)),
            "text": ((0, 2), np.dtype(object)),
        }
    assert plain(None).tensors(rows)["x"].shape == (0, 2)
    wrong: Any
    for wrong in ([[]], [[], []], np.empty((1, 0)), np.empty((0, 3))):
        with pytest.raises(InvalidInput, match=r"found [03]"):
            plain(None).tensors(wrong)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [1e300, 7e4, 10**30, True, math.inf, -0.0])
def test_one_named_row_is_read_as_many_are(dtype: type, value: float) -> None:
    features = (Feature("a"), Feature("b"))
    reader = RowReader(Signature((Input("x", features),), "y", (), "regression"), np.dtype(dtype))
    row = {"b": value, "a": 1}
    with np.errstate(over="ignore"):
        held: Any = np.array([[1, value]], np.float64).astype(dtype)
    for rows in (row, [row], [row, row]):
        if math.isfinite(value) and np.isinf(held).any():
            with pytest.raises(InvalidInput, match=r"^b: .* does not fit float"):
                reader.tensors(rows)
        else:
            (found,) = reader.tensors(rows).values()
            assert (found.dtype, found.flags.c_contiguous) == (np.dtype(dtype), True)
            np.testing.assert_array_equal(found, np.repeat(held, len(found), axis=0))
