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
from edge_runtime.contract.notation import Notation
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
    Feature("n", missing=0.1, notation=Notation(",", ".", suffix="€")),
    Feature("n", notation=Notation(grouping=",", prefix="$", suffix="%")),
    Feature("n", notation=Notation(",", " ", prefix="USD")),
    Feature("n", notation=Notation(grouping="'")),
    Feature("b", "boolean", words=("nein", "ja")),
    Feature("d", "date", missing=0.5),
    Feature("d", "date", order="dmy"),
    Feature("d", "date", order="mdy"),
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
INSTANTS = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
PARTS = [*"0123-+.,' $%()e", "000", "12", "€", " €", "USD", "\u202f"]
NOTED = st.builds("".join, st.lists(st.sampled_from(PARTS), max_size=8))
DAYS = ["2025-12-31", "2024-02-29", "2023-02-29", "0000-01-01", "31.12.2025", "12/31/2025", "1-2-2025"]
TIMES = ["", "23:59", "24:00", "14:30:05", "14:30:60", "1:30", "14", "14:30:05.75", "1:30 PM", "1430"]
MOMENTS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(DAYS),
        st.sampled_from(["", "T", " ", "  ", ", "]),
        st.sampled_from(TIMES),
        st.sampled_from(["", "Z", "+02:00", "-0130", " UTC", ".5"]),
    ),
)
PLAIN = st.one_of(st.floats().map(str), st.integers().map(str), st.integers(0, 10**7).map("{:,}".format))
TEXTS = st.one_of(st.text(max_size=4), st.sampled_from(WORDS), PLAIN, NOTED, MOMENTS, INSTANTS.map(str))
SMALL = st.integers(-128, 127)

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
    (pa.timestamp("s", "Europe/Berlin"), INSTANTS),
    (pa.timestamp("ns"), INSTANTS),
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
    elif feature.kind == "date":
        dtype = np.dtype(np.int64)
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
    try:
        encoded = array.cast(pa.string() if kind == pa.string_view() else kind).dictionary_encode()
    except pa.ArrowNotImplementedError:
        # Old versions of Arrow make no dictionary of these.
        assert kind in (pa.float16(), pa.string_view())
        return
    check(encoded[start:], feature, np.dtype(dtype))


DATE = datetime.datetime
SPECIAL: list[tuple[Any, list[Any]]] = [
    *((kind, [0, 1, 2, 7, 127, None]) for kind in (pa.int8(), pa.uint32(), pa.decimal128(5, 2))),
    (pa.bool_(), [True, None, False]),
    (pa.int64(), [2**63 - 1, -(2**63), 2**53 + 1, 70_000, 1, 0]),
    (pa.uint64(), [2**64 - 1, 16_777_217, 2007]),
    (pa.float32(), [3.4028234663852886e38, math.inf, -math.inf, math.nan, 65_520.0, 0.1, 1.0]),
    (
        pa.float64(),
        [3.4028234663852886e38, 3.4028235e38, -1e39, math.inf, math.nan, 65_519.9, 0.1, 1.0, -0.0],
    ),
    (pa.decimal128(38, 19), [decimal.Decimal("0.1000000000000000055"), decimal.Decimal("1e18"), None]),
    (pa.string(), [*WORDS, None]),
    (pa.string(), ["0", "1.5", "-2e3"]),
    (
        pa.string(),
        ["$1,234.50", "-$5", "$-5", "($5)", "$ 5", "16.4%", "$16.4 %", "-$-5", "€5", "5 €", "1,234"],
    ),
    (pa.string(), ["1.234,5 €", "1.234", "0.123", "-1.234.567,89 €", "1.5", "USD 1\u202f234,5", "1'234.5", "1e3"]),
    (pa.string(), ["nein", "JA", "true", "0", "no"]),
    (pa.string(), [f"{day}{mark}{time}" for day in DAYS for time in TIMES for mark in ("T", " ", ", ")]),
    (pa.string(), ["2025-12-31", "1969-12-31 23:59:59", "9999-12-31T00:00", "0001-01-01"]),
    (pa.string(), ["2025-12-31T14:30:05.75Z", "2025-12-31 14:30Z", "2025-12-31Z", "2025-12-31T14:30:05+02:00"]),
    (pa.string(), ["31.12.2025", "12/31/2025 14:30", "30-11-2025", "1.2.2025", "31.12/2025"]),
    (pa.timestamp("us"), [DATE(1969, 12, 31, 23, 59, 59, 999_999), DATE(1, 1, 1), DATE(9999, 12, 31), None]),
    (pa.timestamp("s", "Asia/Kolkata"), [0, -1, None]),
    (pa.timestamp("ms"), [-62_135_596_800_000, 253_402_300_799_999]),
    (pa.date32(), [0, -1, 20_000, -719_162, 2_932_896]),
    (pa.date64(), [datetime.date(1969, 12, 31), datetime.date(2025, 12, 31)]),
]


@pytest.mark.parametrize("place", range(len(SPECIAL)))
@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_special_values(place: int, feature: Feature) -> None:
    kind, values = SPECIAL[place]
    array = pa.array(values, kind)
    for dtype in ("f2", "f4", "f8"):
        check(array, feature, np.dtype(dtype))
    # Alone, a column of one kind of text is read as a whole.
    for one in range(min(len(array), 12)):
        check(array[one : one + 1], feature, np.dtype(np.float32))


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
