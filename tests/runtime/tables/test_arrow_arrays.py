"""Arrays of Arrow and numpy are made of each other as pyarrow does it, without pandas."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_python_runs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from paths import MODELS

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from edge_runtime.tables.arrow_arrays import are_null, as_numpy, of_numbers, of_strings  # noqa: E402 - it imports pyarrow

NUMBERS = st.one_of(arrays.integer_dtypes(endianness="="), arrays.unsigned_integer_dtypes(endianness="="))
DTYPES = st.one_of(NUMBERS, arrays.floating_dtypes(endianness="=", sizes=(16, 32, 64)), st.just(np.dtype(np.bool_)))


@given(DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=2, min_side=0))), st.data())
def test_numbers(values: np.ndarray, data: st.DataObject) -> None:
    # Columns of a matrix do not lie side by side.
    column = values if values.ndim == 1 else values[:, 0] if values.shape[1] else values.reshape(-1)
    array = of_numbers(column)
    expected = pa.array(np.ascontiguousarray(column))
    array.validate(full=True)
    assert array.type == expected.type
    first = data.draw(st.integers(0, len(column)))
    for one in (array, expected) if column.dtype != np.bool_ else ():
        found = as_numpy(one.slice(first))
        assert found.dtype == column.dtype
        np.testing.assert_array_equal(found, column[first:])


@given(st.lists(st.none() | st.integers(-9, 9)), st.sampled_from([pa.int8(), pa.int64(), pa.float32()]), st.data())
def test_nulls(values: list[int | None], kind: Any, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(values)))
    count = data.draw(st.integers(0, len(values) - first))
    array = pa.array(values, kind).slice(first, count)
    assert are_null(array).tolist() == [value is None for value in values[first : first + count]]
    assert as_numpy(array, -100).tolist() == [
        -100 if value is None else value for value in values[first : first + count]
    ]
    assert are_null(pa.nulls(3)).tolist() == [True] * 3


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_strings(words: list[str]) -> None:
    array = of_strings(words)
    array.validate(full=True)
    assert array.equals(pa.array(words, pa.string()))


@pytest.mark.parametrize("name", ["penguins", "islands"])
def test_scoring_parquet_does_not_import_pandas(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pandas")
    rows: dict[str, Any] = {"island": ["Dream", None], "bill": [40.5, 3], "mass": [3000.0, None], "ringed": [1.0, 0]}
    source = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({**rows, "year": ["2007", "1"]}), source)
    assert_python_runs(f"""
import sys
from edge_runtime import score
score({str(MODELS / name)!r} + ".onnx", {str(source)!r}, {str(tmp_path / "out.parquet")!r})
assert "pandas" not in sys.modules
""")
