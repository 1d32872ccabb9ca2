"""Data frames of pandas, polars and pyarrow lead to the same tensors, or to an error that names the feature."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tables
from penguin_rows import ORDER, ROWS, assert_same, listed, plain

from edge_runtime import InvalidInput
from edge_runtime.rows.row_reader import RowReader

NAN = math.nan


@pytest.fixture(scope="module")
def reader() -> RowReader:
    return RowReader(tables.PENGUINS, np.dtype(np.float32))


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
        "pandas, strings": lambda: pandas().astype(object).map(lambda value: value if value is None else str(value)),
        "polars, strings": lambda: polars().cast(pytest.importorskip("polars").String),
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
        (frame.assign(mass="3,000"), "mass: '3,000' is not a number"),
        (frame.assign(island=5), "island: 5 is not a string; the categories are strings such as 'Biscoe'"),
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


def test_a_series_of_pandas_names_its_values(reader: RowReader) -> None:
    pandas = pytest.importorskip("pandas")
    row = {"year": 2007, "ringed": True, "mass": 4000.0, "bill": 44.0, "island": "Dream"}
    expected = reader.tensors(row)
    for rows in (pandas.Series(row), [pandas.Series(row)]):
        for name, array in reader.tensors(rows).items():
            np.testing.assert_array_equal(array, expected[name])


def test_frames_without_rows_and_columns(reader: RowReader) -> None:
    pandas, polars, arrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    for empty in (pandas.DataFrame(), pandas.DataFrame([]), pandas.Series([]), polars.DataFrame(), arrow.table({})):
        assert [array.shape for array in reader.tensors(empty).values()] == [(0, 3), (0, 2)]
        assert plain(None).tensors(empty)["x"].shape == (0, 2)
    with pytest.raises(InvalidInput, match=r"no column mass$"):
        reader.tensors(pandas.DataFrame(ROWS)[:0].drop(columns=["mass"]))
