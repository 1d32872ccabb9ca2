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

from edge_runtime import Feature, Input, InvalidInput, Signature
from edge_runtime.rows.row_reader import RowReader
from edge_runtime.rows.text_rows import read_rows
from edge_runtime.rows.words import parse_words

NAN = math.nan
ORDER = ("island", "bill", "mass", "ringed", "year")
ROWS: list[dict[str, Any]] = [
    {"island": "Dream", "bill": 40.5, "mass": 3000, "ringed": True, "year": 2007},
    {"island": None, "bill": None, "mass": None, "ringed": False, "year": None},
    {"island": " Foo ", "bill": 50.0, "mass": 9000, "ringed": False, "year": 2050},
]
X = np.array([[3000, 40.5, 1], [NAN, NAN, 0], [9000, 50, 0]], np.float32)
TEXT = np.array([["Dream", "2007"], ["", ""], ["Foo", "2050"]], object)


@pytest.fixture(scope="module")
def reader() -> RowReader:
    return RowReader(tables.PENGUINS, np.dtype(np.float32))


def listed() -> list[list[Any]]:
    return [[row[name] for name in ORDER] for row in ROWS]


def assert_same(found: dict[str, np.ndarray], rows: slice = slice(None)) -> None:
    assert list(found) == ["x", "text"]
    np.testing.assert_array_equal(found["x"], X[rows], strict=True)
    np.testing.assert_array_equal(found["text"], TEXT[rows], strict=True)
    assert all(array.flags.c_contiguous for array in found.values())


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
    rows = [["Dream", 40.5, 3000.0, 1.0, "2007"], ["", NAN, NAN, 0.0, ""], ["Foo", 50.0, 9000.0, 0.0, "2050"]]
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


def frames() -> dict[str, Callable[[], Any]]:
    """Data frames of ROWS, with columns in another order and one more; made when they are asked for."""

    def pandas() -> Any:
        frame = pytest.importorskip("pandas").DataFrame(ROWS)[list(reversed(ORDER))]
        return frame.assign(more=1)

    def polars() -> Any:
        frame = pytest.importorskip("polars").DataFrame(ROWS)
        return frame.select(*reversed(ORDER), more=1)

    def arrow() -> Any:
        return pytest.importorskip("pyarrow").Table.from_pylist(ROWS).select(list(reversed(ORDER)))

    return {
        "pandas": pandas,
        "pandas, nullable": lambda: pandas().convert_dtypes(),
        "pandas, arrow": lambda: pytest.importorskip("pyarrow") and pandas().convert_dtypes(dtype_backend="pyarrow"),
        "pandas, objects": lambda: pandas().astype(object),
        "pandas, NA": lambda: pandas().astype(object).where(pandas().notna(), pytest.importorskip("pandas").NA),
        "pandas, nullable numbers": lambda: pandas().astype({"mass": "Float64", "year": "Int64", "ringed": "boolean"}),
        "pandas, categories": lambda: pandas().astype(dict.fromkeys(ORDER, "category")),
        "pandas, integers": lambda: pandas().astype({"ringed": int}),
        "pandas, no names": lambda: pandas()[list(ORDER)].set_axis(range(5), axis=1),
        "polars": polars,
        "polars, categories": lambda: polars().cast(
            {"island": pytest.importorskip("polars").Categorical, "mass": pytest.importorskip("polars").Float32}
        ),
        "arrow": arrow,
        "arrow, batch": lambda: arrow().combine_chunks().to_batches()[0],
        "arrow, dictionaries": lambda: encoded(arrow()),
        "arrow, chunks": lambda: pytest.importorskip("pyarrow").concat_tables([arrow()[:1], arrow()[1:]]),
    }


def encoded(table: Any) -> Any:
    for index, name in enumerate(table.column_names):
        if name != "ringed":
            table = table.set_column(index, name, table[name].dictionary_encode())
    return table


@pytest.mark.parametrize("name", frames())
def test_data_frames(reader: RowReader, name: str) -> None:
    frame = frames()[name]()
    assert_same(reader.tensors(frame))
    assert [len(array) for array in reader.tensors(frame[:0]).values()] == [0, 0]


def test_rows_of_data_frames(reader: RowReader) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS).assign(more=1)
    for index in range(3):
        assert_same(reader.tensors(frame.iloc[index]), slice(index, index + 1))
    assert_same(reader.tensors(pandas.Series(listed()[0])), slice(0, 1))


def test_data_frames_that_do_not_fit(reader: RowReader) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.DataFrame(ROWS)
    for rows, message in (
        (frame.drop(columns=["mass", "year"]), "the data frame has no column mass, year"),
        (
            frame.rename(columns=str.upper),
            "the data frame has no column island, bill, mass, ringed, year; "
            r"'ISLAND' is not a feature; did you mean 'island'\?$",
        ),
        (polars.DataFrame(ROWS).drop("mass"), "no column mass$"),
        (polars.DataFrame(ROWS).rename({"mass": "Mass"}), r"'Mass' is not a feature; did you mean 'mass'\?$"),
        (pandas.concat([frame, frame], axis=1), "more than one column island"),
        (frame.assign(mass=pandas.Timestamp("2020-01-01")), "mass: .* is not a number"),
        (frame.assign(island=pandas.Timestamp("2020-01-01")), "island: .* is neither a string nor a number"),
        (frame.assign(mass="3000"), "mass: '3000' is not a number"),
        (frame.assign(mass=1e300), r"mass: 1e\+300 does not fit float32"),
        (frame.assign(ringed=[True, None, False]), "ringed: the value is missing"),
        (frame.assign(ringed=2), "ringed: 2 is neither true nor false"),
        (frame.assign(year=2007.5), "year: 2007.5 is not an integer"),
        (frame[["mass"]].set_axis([0], axis=1), "a row has 5 values .*found 1"),
        (polars.DataFrame(ROWS).lazy(), "a lazy frame has not computed its rows yet; collect it first"),
        (polars.DataFrame(ROWS).with_columns(ringed=polars.lit(None)), "ringed: the value is missing"),
    ):
        with pytest.raises(InvalidInput, match=message):
            reader.tensors(rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"a row has 5 values \(island, bill, mass, ringed, year\), found 0"),
        (["Dream", 40], "found 2"),
        ([["Dream", 40]], "found 2"),
        ([listed()[0], listed()[0][:4]], "found 2"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], "rows: not an array"),
        (np.array([listed()], object), r"found shape \(1, 3, 5\)"),
        (5, "found 1"),
        ({}, "missing island, bill, ringed"),
        ({"island": "Dream", "bill": 1, "mass": 2}, "missing ringed"),
        ([ROWS[0], {}], "missing island, bill, ringed"),
        ([ROWS[0], 5], "a list of dicts must hold only dicts, found 5"),
        ({name: [row[name] for row in ROWS] for name in ORDER}, "island is a list, but a dict is one row"),
        ({name: np.array([1]) for name in ORDER}, "island is a ndarray, but a dict is one row"),
        ({**ROWS[0], "mass": "3000"}, "mass: '3000' is not a number"),
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


def plain(missing: float | None) -> RowReader:
    signature = Signature((Input("x", (Feature("a", missing=missing), Feature("b"))),), "p", (0, 1))
    return RowReader(signature, np.dtype(np.float32))


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


def test_nulls_of_data_frames_for_a_model_without_missing_values() -> None:
    """NaN is a number, which such a model carries to its answer; a null is not."""
    pandas, polars, arrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    nan = {"a": [1.0, 1.0], "b": [NAN, 2.0]}
    for frame in (pandas.DataFrame(nan), polars.DataFrame(nan), arrow.table(nan)):
        assert np.isnan(plain(0.5).tensors(frame)["x"]).tolist() == [[False, True], [False, False]]
    null = {"a": [1.0, 1.0], "b": [None, 2.0]}
    for frame in (pandas.DataFrame(null, dtype="Float64"), polars.DataFrame(null), arrow.table(null)):
        with pytest.raises(InvalidInput, match=r"b: .* (is not a number|is missing)"):
            plain(0.5).tensors(frame)


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
    signature = Signature((Input("t", (Feature("t", "categorical", missing=0.0, categories=("a",)),)),), "p", (0, 1))
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


def test_a_series_of_pandas_names_its_values(reader: RowReader) -> None:
    pandas = pytest.importorskip("pandas")
    row = {"year": 2007, "ringed": True, "mass": 4000.0, "bill": 44.0, "island": "Dream"}
    expected = reader.tensors(row)
    for rows in (pandas.Series(row), [pandas.Series(row)]):
        for name, array in reader.tensors(rows).items():
            np.testing.assert_array_equal(array, expected[name])
