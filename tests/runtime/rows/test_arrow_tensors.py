"""Inputs without named features are read from columns of their names: numbers, strings, and nested lists for axes."""

from typing import Any

import numpy as np
import pytest

from edge_runtime import InvalidInput
from edge_runtime.contract.tensors import TensorSpec

pa = pytest.importorskip("pyarrow")

from edge_runtime.rows.arrow_tensors import check_spec, read_tensor  # noqa: E402 - it imports pyarrow


def spec(element: str, *axes: int | str | None) -> TensorSpec:
    return TensorSpec("t", f"tensor({element})", ("batch", *axes))


@pytest.mark.parametrize(
    ("element", "given", "expected"),
    [
        ("float", [1, 2.5, "3"], None),
        ("float", pa.array([1, None, 300], pa.int16()), ([1, None, 300], {1: "None is not a number"})),
        ("double", pa.array([1e300, float("nan"), None]), ([1e300, np.nan, None], {2: "None is not a number"})),
        ("double", ["1e3", "x"], ([1000, None], {1: "'x' is not a number"})),
        ("float16", [1e5, 2], ([None, 2], {0: "100000.0 does not fit float16"})),
        ("int8", [1, -129, 300], ([1, None, None], {1: "-129 does not fit int8", 2: "300 does not fit int8"})),
        ("uint8", [-1, 255], ([None, 255], {0: "-1 does not fit uint8"})),
        ("uint64", [-1, 255], ([None, 255], {0: "-1 does not fit uint64"})),
        ("int64", pa.array([2**63, 5], pa.uint64()), ([None, 5], {0: f"{2**63} does not fit int64"})),
        ("int64", ["9007199254740993", "1.5", "1_0"], ([2**53 + 1, None, None], {1: "'1.5'", 2: "'1_0'"})),
        ("int32", [3.0, 2.5, None], ([3, None, None], {1: "int32 is expected, found 2.5", 2: "found None"})),
        ("bool", [True, False], ([True, False], {})),
        ("bool", ["true", "0", "maybe"], ([True, False, None], {2: "'maybe' is neither true nor false"})),
        ("string", ["a", "", None, " b "], (["a", "", None, " b "], {2: "strings are expected, found None"})),
        ("string", [1], ([None], {0: "strings are expected, found 1"})),
    ],
)
def test_one_value_a_row(element: str, given: Any, expected: Any) -> None:
    if expected is None:
        given, expected = ["1", "2.5", "3"], ([1, 2.5, 3], {})
    array = given if isinstance(given, pa.Array) else pa.array(given)
    values, refused = expected
    for one in (spec(element), spec(element, 1)):
        check_spec(one)
        column = read_tensor(array, one)
        assert column.values.dtype == one.dtype
        assert column.values.shape == (len(values), *one.shape[1:])
        assert list(column.refused) == list(refused)
        for place, reason in refused.items():
            assert reason in column.refused[place]
        good = [place for place in range(len(values)) if place not in refused]
        expected_values = np.array([values[place] for place in good], one.dtype)
        np.testing.assert_array_equal(column.values.ravel()[good], expected_values)


def test_axes() -> None:
    rows = [[[1, 2], [3, 4], [5, 6]], [[1, 2]], None, [[1, 2], [3, 4], [None, 6]], [[0, 0], [0], [0, 0]]]
    column = read_tensor(pa.array(rows), spec("float", 3, "width"))
    assert column.values.shape == (5, 3, 2)
    np.testing.assert_array_equal(column.values[0], rows[0])
    assert column.refused == {
        1: "3 values are needed, found 1",
        2: "3 values are needed, the value is missing",
        3: "None is not a number",
        4: "2 values are needed, found 1",
    }
    fixed = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, 4], pa.int64()), 2)
    np.testing.assert_array_equal(read_tensor(fixed, spec("int64", 2)).values, [[1, 2], [3, 4]])
    assert read_tensor(fixed[1:], spec("int64", None)).values.tolist() == [[3, 4]]
    assert read_tensor(fixed[:0], spec("int64", 2)).values.shape == (0, 2)
    with pytest.raises(InvalidInput, match=r"^t: lists of shape \[2\] are expected, found int64$"):
        read_tensor(pa.array([1]), spec("int64", 2))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("tensor(float)", ()), ("tensor(float)", (3,)), ("seq(tensor(float))", ()), ("tensor(int4)", ("n",))],
)
def test_inputs_that_cannot_be_columns(kind: str, shape: tuple[int | str, ...]) -> None:
    with pytest.raises(InvalidInput, match="cannot be a column"):
        check_spec(TensorSpec("t", kind, shape))
