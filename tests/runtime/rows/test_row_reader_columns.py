"""How columns are converted: as a whole if they can be, each distinct value once if not."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tables
from penguin_rows import ROWS, assert_same

from edge_runtime import Feature, Input, InvalidInput, Signature
from edge_runtime.contract.values import read_value
from edge_runtime.rows import row_reader
from edge_runtime.rows.row_reader import RowReader

NAN = math.nan


@pytest.fixture(scope="module")
def reader() -> RowReader:
    return RowReader(tables.PENGUINS, np.dtype(np.float32))


def of_numbers(*missing: float | None) -> RowReader:
    features = tuple(Feature(f"x{place}", missing=one) for place, one in enumerate(missing, start=1))
    return RowReader(Signature((Input("x", features),), "p", (0, 1)), np.dtype(np.float32))


@pytest.mark.parametrize("missing", [(0.5, 0.5), (0.0, 0.0), (0.5, None), (None, 0.5)])
def test_where_missing_values_are_accepted(missing: tuple[float | None, ...]) -> None:
    reader = of_numbers(*missing)
    rows = [[None if one is not None else 1, 2 if two is None else "NA"] for one, two in [missing]] * 2
    found = reader.tensors(rows)["x"]
    assert np.isnan(found).tolist() == 2 * [[one is not None for one in missing]]


@pytest.mark.parametrize(
    ("missing", "rows", "message"),
    [
        ((None, None), [[1, None]], "x2: None is not a number"),
        ((None, None), [[1, "NA"]], "x2: 'NA' is not a number"),
        ((None, None), [[1, 2, 3]], "a row has 2 values (x1, x2), found 3"),
        ((0.5, None), [[1, None]], "x2: None is not a number"),
        ((0.5, None), [[1, "a"], [2, 3]], "x2: 'a' is not a number"),
        ((0.5, None), [[1, 2], [3]], "rows: all must have the same length, found 1 and 2 values"),
        ((0.5, None), [[[1, 2], [3, 4]], [[5, 6]]], "rows: all must have the same length, found 1 and 2 values"),
        ((0.5, None), [[None, 2], [3]], "rows: all must have the same length, found 1 and 2 values"),
    ],
)
def test_what_is_wrong_with_numbers(missing: tuple[float | None, ...], rows: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        of_numbers(*missing).tensors(rows)
    assert str(raised.value).startswith(message)


class Calls(list[Any]):
    """The values that are read one by one."""

    def read(self, value: Any, feature: Feature) -> float | str:
        self.append(value)
        return read_value(value, feature)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(row_reader, "read_value", calls.read)
    return calls


@pytest.mark.parametrize(
    ("missing", "column"),
    [
        (0.5, [1, 2.5, True]),
        (0.5, [1, None, 3]),
        (None, [1, 2.5, True]),
        (None, np.array([1, 2, 3], np.int8)),
        (0.5, np.array([1, NAN, 3])),
        (0.5, np.array([True, False, True])),
    ],
)
def test_columns_of_numbers_are_converted_as_a_whole(calls: Calls, missing: float | None, column: Any) -> None:
    """Which takes a hundredth of the time."""
    signature = Signature((Input("x", (Feature("a", missing=missing), Feature("b", "boolean"))),), "p", (0, 1))
    reader = RowReader(signature, np.dtype(np.float32))
    rows = [{"a": value, "b": True} for value in column] if isinstance(column, list) else None
    if rows is None:
        assert reader.tensors(np.stack([column, np.ones(3)], axis=1))["x"].shape == (3, 2)
        assert calls == [1.0]
        return
    np.testing.assert_array_equal(reader.tensors(rows)["x"][:, 0], np.array(column, np.float32))
    # Each distinct boolean is read once.
    assert calls == [True]


@pytest.mark.parametrize(
    ("missing", "column", "read"),
    [
        (0.5, [1, "NA", 1, 1], {1, "NA"}),
        (0.5, [np.float32(1), 2, 2, 2], {1, 2}),
        (0.5, [10**30, 2, 3, 4], set()),
    ],
)
def test_other_numbers_are_read_once_each(calls: Calls, missing: float, column: list[Any], read: set[Any]) -> None:
    signature = Signature((Input("x", (Feature("a", missing=missing), Feature("b", "boolean"))),), "p", (0, 1))
    RowReader(signature, np.dtype(np.float32)).tensors([{"a": value, "b": 0} for value in column])
    assert calls.count(0) == 1
    assert set(calls) - {0} == read
    assert len(calls) == len(read) + 1


def test_categories_are_read_once_each(calls: Calls, reader: RowReader) -> None:
    assert_same(reader.tensors(ROWS))
    calls.clear()
    reader.tensors(ROWS * 100)
    # Of the numbers none: they are converted as a whole. Two booleans, three years and three islands.
    assert len(calls) == 8
    calls.clear()
    # What cannot be told apart by its hash is read one by one.
    with pytest.raises(InvalidInput, match=r"island: \[1\] is neither a string nor a number"):
        reader.tensors([ROWS[0], {**ROWS[0], "island": [1]}])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            {"x1": [1, 2], "x2": [3, 4]},
            "x1 is a list, but a dict is one row; give several rows as a list of dicts or a data frame",
        ),
        (
            {"x1": 1, "x2": np.array([3, 4])},
            "x2 is a ndarray, but a dict is one row; give several rows as a list of dicts or a data frame",
        ),
        ([{"x1": 1, "x2": 2}, [3, 4]], "a list of dicts must hold only dicts, found [3, 4]"),
        (SimpleNamespace(collect=list), "a lazy frame has not computed its rows yet; collect it first"),
    ],
)
def test_rows_by_name_that_do_not_fit(rows: Any, message: str) -> None:
    for missing in (None, 0.5):
        with pytest.raises(InvalidInput) as raised:
            of_numbers(missing, missing).tensors(rows)
        assert str(raised.value) == message


def test_scalars_of_numpy_in_a_dict() -> None:
    """They have a size and a shape, as arrays do."""
    row = {"x1": np.array(1.5), "x2": np.float64(2)}
    assert of_numbers(None, None).tensors(row)["x"].tolist() == [[1.5, 2]]
