"""A column of Arrow is read as its values are one by one: the same are refused, for the same reason.

https://arrow.apache.org/docs/python/api/datatypes.html
"""

import datetime
import decimal
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import one_line
from edge_runtime.contract.values import read_value

pa = pytest.importorskip("pyarrow")

from edge_runtime.rows.arrow_columns import read_column  # noqa: E402 - it imports pyarrow

FEATURES = [
    Feature("n"),
    Feature("n", missing=0.1),
    Feature("b", "boolean"),
    Feature("b", "boolean", missing=0.0),
    Feature("c", "categorical", categories=("a", "b", "true", "7", "007", "1.50")),
    Feature("c", "categorical", categories=("a", "b"), missing=0.5),
    Feature("c", "categorical", categories=(1, 2, 2007), missing=0.5),
    Feature("c", "categorical", categories=(1, 2)),
]
WORDS = [
    "",
    " ",
    "NA",
    "nan",
    "inf",
    "-Infinity",
    "+1",
    "1.",
    ".5",
    " 1 ",
    "\u20031\u2003",
    "1e400",
    "1e39",
    "1_0",
    "0x1",
    "٣",
]
WORDS += [
    "true",
    "False",
    " TRUE",
    "yes",
    "007",
    "7",
    "7.0",
    "1.5",
    "a",
    " b",
    "ä\0",
    "1,5",
    "3.4028235e38",
    "\x1c1\x1c",
]
FLOATS = st.one_of(st.floats(width=64), st.sampled_from([0.0, -0.0, 1.0, 3.4028234663852886e38, 3.4028235e38, -1e39]))
TEXTS = st.one_of(st.text(max_size=4), st.sampled_from(WORDS), st.floats().map(str), st.integers().map(str))
SMALL = st.integers(-128, 127)
INSTANTS = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))

# Each with the values that it may hold.
TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    *((kind, SMALL) for kind in (pa.int8(), pa.int16(), pa.int32())),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    *((kind, st.integers(0, 255)) for kind in (pa.uint8(), pa.uint16(), pa.uint32())),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float16(), st.floats(width=16).map(np.float16)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), FLOATS),
    (pa.decimal128(38, 10), st.decimals(-(10**20), 10**20, places=10)),
    (pa.decimal256(60, 0), st.integers(-(10**59), 10**59).map(decimal.Decimal)),
    (pa.bool_(), st.booleans()),
    *((kind, TEXTS) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    (pa.binary(), st.binary(max_size=3)),
    *((pa.timestamp(unit), INSTANTS) for unit in ("s", "ms", "us")),
    (pa.timestamp("us", "UTC"), INSTANTS),
    (pa.date32(), st.dates()),
    (pa.date64(), st.dates()),
    (pa.time64("us"), st.times()),
    (
        pa.duration("s"),
        st.timedeltas(datetime.timedelta(0), datetime.timedelta(9)).map(
            lambda one: one - one % datetime.timedelta(seconds=1)
        ),
    ),
    (pa.null(), st.none()),
    (pa.list_(pa.int8()), st.lists(SMALL, max_size=2)),
    (pa.struct([("x", pa.int8())]), st.fixed_dictionaries({"x": SMALL})),
]


def one_by_one(values: list[Any], feature: Feature, dtype: np.dtype[Any]) -> tuple[list[Any], dict[int, str]]:
    """What `read_value` makes of each value."""
    read, refused = [], {}
    for place, value in enumerate(values):
        try:
            found = read_value(value, feature)
        except InvalidInput as error:
            refused[place] = one_line(error)
            continue
        if isinstance(found, float):
            with np.errstate(over="ignore"):
                rounded = dtype.type(found)
            if math.isfinite(found) and not np.isfinite(rounded):
                refused[place] = f"{value} does not fit {dtype}"
                continue
            found = rounded
        read.append(found)
    return read, refused


def check(array: Any, feature: Feature, dtype: np.dtype[Any]) -> None:
    if feature.kind == "categorical":
        dtype = np.dtype(np.object_)
    column = read_column(array, feature, dtype)
    read, refused = one_by_one(array.to_pylist(), feature, dtype)
    assert column.refused == refused
    assert (column.values.dtype, column.values.shape) == (dtype, (len(array),))
    found = [value for place, value in enumerate(column.values) if place not in refused]
    np.testing.assert_array_equal(np.array(found, dtype), np.array(read, dtype), strict=True)
    assert feature.kind != "categorical" or all(type(value) is str for value in found)


@given(st.data(), st.sampled_from(TYPES), st.sampled_from(FEATURES), st.sampled_from(["f2", "f4", "f8"]))
def test_any_column(data: st.DataObject, typed: tuple[Any, Any], feature: Feature, dtype: str) -> None:
    kind, values = typed
    array = pa.array(data.draw(st.lists(st.none() | values, max_size=8)), kind)
    start = data.draw(st.integers(0, len(array)))
    check(array[start:], feature, np.dtype(dtype))
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        return
    encoded = array.cast(pa.string() if kind == pa.string_view() else kind).dictionary_encode()
    check(encoded[start:], feature, np.dtype(dtype))


@pytest.mark.parametrize("feature", FEATURES, ids=str)
@pytest.mark.parametrize("count", [1, 40])
def test_dictionaries_with_nulls_and_doubles(feature: Feature, count: int) -> None:
    dictionary = pa.array(["a", None, "1", "a", "", "x", "1"])
    for kind in (pa.int8(), pa.uint64()):
        indices = pa.array([0, 3, None, 1, 2, 6, 4, 5] * count, kind)
        check(pa.DictionaryArray.from_arrays(indices, dictionary), feature, np.dtype(np.float32))


def test_runs_of_equal_values() -> None:
    array = pa.RunEndEncodedArray.from_arrays(pa.array([3, 5], pa.int32()), pa.array([1.5, None]))
    check(array, FEATURES[1], np.dtype(np.float32))
    check(array[1:4], FEATURES[0], np.dtype(np.float32))


def test_text_that_is_not_utf8() -> None:
    offsets, text = np.array([0, 1, 3, 4], np.int32), b"1\xff\xfe2"
    array = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(offsets), pa.py_buffer(text)])
    for feature in (FEATURES[0], FEATURES[5]):
        dtype = np.dtype(np.object_ if feature.kind == "categorical" else np.float32)
        column = read_column(array, feature, dtype)
        assert list(column.refused) == [1]
        assert column.refused[1].startswith("the value cannot be read: ")
        assert [float(column.values[place]) for place in (0, 2)] == [1, 2]


def test_dates_beyond_those_of_python() -> None:
    column = read_column(pa.array([2**62], pa.timestamp("s")), FEATURES[0], np.dtype(np.float32))
    assert column.refused[0].startswith("the value cannot be read: ")
