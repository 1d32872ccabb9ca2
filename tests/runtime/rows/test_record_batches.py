"""Record batches become the tensors that their rows become one by one; rows that cannot be read are named."""

from typing import Any

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from penguin_rows import ORDER, ROWS, assert_same

from edge_runtime import Feature, Input, InvalidInput, Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.rows.row_reader import RowReader

pa = pytest.importorskip("pyarrow")

from edge_runtime.rows.record_batches import BatchReader  # noqa: E402 - it imports pyarrow

SPECS = (TensorSpec("x", "tensor(float)", ("batch", 3)), TensorSpec("text", "tensor(string)", ("batch", 2)))
COLUMNS = {name: [row[name] for row in ROWS] for name in ORDER}


@pytest.fixture(scope="module")
def reader() -> BatchReader:
    return BatchReader(tables.PENGUINS, SPECS)


def test_columns_by_name(reader: BatchReader) -> None:
    batch = pa.RecordBatch.from_pydict({"more": [[1], [2], [3]], **dict(reversed(COLUMNS.items()))})
    read = reader.read(batch)
    assert (read.good, read.bad) == (None, [])
    assert_same(read.feed)
    assert reader.names == ORDER
    assert {name: str(kind) for name, kind in reader.types.items()} == {
        "island": "string",
        "bill": "double",
        "mass": "double",
        "ringed": "string",
        "year": "string",
    }


def test_the_first_bad_cell_of_each_row(reader: BatchReader) -> None:
    columns = {**COLUMNS, "mass": ["heavy", "1e99", "9000"], "ringed": ["2", "no", "false"]}
    columns["bill"] = ["40.5", "?", "long"]
    read = reader.read(pa.RecordBatch.from_pydict(columns))
    assert read.bad == [
        (0, "mass", "'heavy' is not a number"),
        (1, "mass", "1e99 does not fit float32"),
        (2, "bill", "'long' is not a number"),
    ]
    assert read.good is not None
    assert read.good.tolist() == [False] * 3
    assert {name: tensor.shape for name, tensor in read.feed.items()} == {"x": (0, 3), "text": (0, 2)}


def test_good_rows_beside_bad_ones(reader: BatchReader) -> None:
    read = reader.read(pa.RecordBatch.from_pydict({**COLUMNS, "ringed": [True, None, False]}))
    missing = "the value is missing, and missing values are not accepted for this feature"
    assert read.bad == [(1, "ringed", missing)]
    assert read.good is not None
    assert read.good.tolist() == [True, False, True]
    np.testing.assert_array_equal(read.feed["x"], np.array([[3000, 40.5, 1], [9000, 50, 0]], np.float32))
    assert read.feed["text"].tolist() == [["Dream", "2007"], ["Foo", "2050"]]
    assert all(tensor.flags.c_contiguous for tensor in read.feed.values())


def test_absent_columns(reader: BatchReader) -> None:
    columns = {name: values for name, values in COLUMNS.items() if name != "year"}
    read = reader.read(pa.RecordBatch.from_pydict(columns))
    assert read.feed["text"][:, 1].tolist() == ["", "", ""]
    with pytest.raises(InvalidInput, match=r"^there is no column year$"):
        reader.check_names(columns)
    # Some years were missing in training.
    reader.check_names(columns, may_lack=True)
    del columns["ringed"]
    with pytest.raises(
        InvalidInput, match=r"^there is no column ringed; 'ringd' is not a feature; did you mean 'ringed'"
    ):
        reader.check_names([*columns, "ringd"], may_lack=True)
    read = reader.read(pa.RecordBatch.from_pydict(columns))
    assert [name for _, name, _ in read.bad] == ["ringed"] * 3


def test_columns_of_one_name(reader: BatchReader) -> None:
    names = [*ORDER, "other", "other"]
    reader.check_names(names)
    with pytest.raises(InvalidInput, match=r"^there is more than one column bill$"):
        reader.read(pa.RecordBatch.from_arrays([pa.array([1])] * 6, names=[*ORDER[1:], "bill", "island"]))


CELLS = st.sampled_from(["1", "-2.5", "NA", "x", "", "7", "1e40", " 3 "])


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12))
def test_as_rows_one_by_one(rows: list[tuple[str, str]]) -> None:
    signature = Signature((Input("x", (Feature("a", missing=0.5), Feature("b"))),), "p", (0, 1))
    specs = (TensorSpec("x", "tensor(float)", ("batch", 2)),)
    by_row = RowReader(signature, np.dtype(np.float32))
    found, bad = [], []
    for place, row in enumerate(rows):
        try:
            found.append(by_row.tensors([list(row)])["x"][0])
        except InvalidInput as error:
            bad.append((place, *str(error).split(": ", 1)))
    a, b = zip(*rows, strict=True)
    read = BatchReader(signature, specs).read(pa.RecordBatch.from_pydict({"a": a, "b": b}))
    assert read.bad == bad
    np.testing.assert_array_equal(read.feed["x"], np.array(found, np.float32).reshape(-1, 2), strict=True)


def test_ten_thousand_columns() -> None:
    names = [f"x{place}" for place in range(10_000)]
    signature = Signature((Input("x", tuple(map(Feature, names))),), "p", (0, 1))
    reader = BatchReader(signature, (TensorSpec("x", "tensor(float)", ("batch", 10_000)),))
    columns: list[Any] = [pa.array([place, place + 0.5]) for place in reversed(range(10_000))]
    read = reader.read(pa.RecordBatch.from_arrays(columns, names=names[::-1]))
    np.testing.assert_array_equal(read.feed["x"], np.array([np.arange(10_000), np.arange(10_000) + 0.5]))
