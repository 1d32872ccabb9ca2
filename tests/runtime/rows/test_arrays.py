import math
from typing import Any

import numpy as np
import pytest

from edge_runtime import InvalidInput, TensorSpec
from edge_runtime.rows.arrays import as_array, as_matrix, as_table, as_tensor, cast, cast_in_range

FLOAT32 = np.dtype(np.float32)


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "beyond"),
    [
        ([1.5, math.nan, math.inf, -math.inf], "f4", [1.5, math.nan, math.inf, -math.inf], None),
        ([[0.1, 1e300], [-1e300, 2]], "f4", [[np.float32(0.1), math.inf], [-math.inf, 2]], (0, 1)),
        ([[1, 2], [3, -1e39]], "f4", [[1, 2], [3, -math.inf]], (1, 1)),
        ([1, 70000], "f2", [1, math.inf], (1,)),
        ([2**24 + 1], "f4", [2**24], None),
        ([True, False], "f4", [1, 0], None),
        ([127, -128], "i1", [127, -128], None),
        ([0, 128], "i1", [0, -128], (1,)),
        ([-1, 0], "u1", [255, 0], (0,)),
        ([[1, 2, 3], [4, 300, -1]], "u1", [[1, 2, 3], [4, 44, 255]], (1, 1)),
        ([True, False], "i8", [1, 0], None),
        (np.array([2**63], np.uint64), "i8", [-(2**63)], (0,)),
        (np.array([-1], np.int64), "u8", [2**64 - 1], (0,)),
        (np.array(5), "i1", 5, None),
        (np.array(500), "i1", -12, ()),
    ],
)
def test_casts_in_range(values: Any, dtype: str, expected: Any, beyond: tuple[int, ...] | None) -> None:
    found, index = cast_in_range(np.asarray(values), np.dtype(dtype))
    assert found.dtype == np.dtype(dtype)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, np.array(expected).astype(dtype))
    assert index == beyond


def test_casts_are_contiguous_whatever_the_order() -> None:
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for dtype in (np.float32, np.float64):
        found, index = cast_in_range(values, np.dtype(dtype))
        assert index is None
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, values)
    assert cast(values, np.dtype(np.float64), ("a",)).flags.c_contiguous


@pytest.mark.parametrize(
    ("array", "dtype", "message"),
    [
        (np.array([1.5]), np.int64, "a, b: int64 is expected, found float64"),
        (np.array([1]), np.bool_, "a, b: bool is expected, found int64"),
        (np.array([1j]), np.float32, "a, b: float32 is expected, found complex128"),
        (np.array(["1"]), np.float32, "a, b: float32 is expected, found strings"),
        (np.array([b"1"]), np.float32, "a, b: float32 is expected, found bytes"),
        (np.array([None]), np.float32, "a, b: float32 is expected, found objects"),
        (np.array([[1, 2], [3, 1e39]]), np.float32, "b: 1e+39 does not fit float32"),
        (np.array([[1, 2], [1e39, 1e39]]), np.float32, "a: 1e+39 does not fit float32"),
        (np.array([1]), np.object_, "a: strings are expected, found int64"),
        (np.array(["a", 1, None], object), np.object_, "a: strings are expected, found 1"),
    ],
)
def test_what_cannot_be_cast(array: np.ndarray, dtype: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        cast(array, np.dtype(dtype), ("a", "b"))
    assert str(raised.value) == message


def test_a_whole_array_has_one_name() -> None:
    with pytest.raises(InvalidInput, match=r"^ids: 300 does not fit uint8$"):
        cast(np.array([[1, 300]]), np.dtype(np.uint8), ("ids",))


def test_strings() -> None:
    for array in (np.array(["a", "ö"]), np.array(["a", "ö"], object)):
        found = cast(array, np.dtype(object), ("t",))
        assert (found.dtype, found.tolist()) == (np.dtype(object), ["a", "ö"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2], np.array([1, 2])),
        ([2**70, 1.5], np.array([2.0**70, 1.5])),
        ([True, 2**70], np.array([1, 2.0**70])),
        (np.array([1, 2.5], object), np.array([1, 2.5])),
        (np.array([None, 1], object), np.array([None, 1], object)),
        (np.array([], object), np.array([], np.float64)),
    ],
)
def test_what_numpy_converts(value: Any, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(as_array(value, "x"), expected, strict=True)


class Unreadable:
    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("it is on a GPU")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2], [3]], "x: all must have the same length, found 1 and 2 values"),
        (((1, 2), [3, 4, 5], [6]), "x: all must have the same length, found 1 and 3 values"),
        ([[1, 2], 3], "x: not an array: "),
        ([np.zeros(2), np.zeros(3)], "x: not an array: "),
        ([10**400], "x: not an array: "),
        (Unreadable(), "x: not an array: it is on a GPU"),
        ({1, 2}, "x: not an array: found set"),
        (iter([1, 2]), "x: not an array: found list_iterator"),
        (None, "x: not an array: found NoneType"),
        (np.ma.masked_array([1, 2], [True, False]), "x: a masked array has missing values; fill them first"),
    ],
)
def test_what_numpy_cannot_convert(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        as_array(value, "x")
    if message.endswith(": "):
        assert str(raised.value).startswith(message)
    else:
        assert str(raised.value) == message


def test_a_masked_array_without_missing_values() -> None:
    for mask in (np.ma.nomask, [False, False]):
        np.testing.assert_array_equal(as_array(np.ma.masked_array([1, 2], mask), "x"), np.array([1, 2]), strict=True)


@pytest.mark.parametrize(
    ("name", "values", "type_"),
    [
        ("bfloat16", [1.5, -2, np.nan, np.inf], "float"),
        ("float8_e5m2", [0.25, -3], "double"),
        ("int4", [-8, 7], "float"),
        ("int4", [-8, 7], "int64"),
        ("uint4", [15, 0], "uint8"),
    ],
)
def test_types_of_ml_dtypes_are_numbers_too(name: str, values: list[float], type_: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    given = np.array(values, getattr(ml_dtypes, name))
    declared = spec(type_, "n")
    np.testing.assert_array_equal(as_tensor(given, declared), np.array(values, declared.dtype), strict=True)
    with pytest.raises(InvalidInput, match="strings are expected"):
        as_tensor(given, spec("string", "n"))


def test_tables() -> None:
    assert as_table(np.array([1, 2]), ("a", "b")).shape == (1, 2)
    assert as_table(np.zeros((3, 2)), ("a", "b")).shape == (3, 2)
    assert as_table(np.array(5), ("a",)).shape == (1, 1)
    for array, message in (
        (np.zeros(3), "a row has 2 values (a, b), found 3"),
        (np.zeros((2, 3)), "a row has 2 values (a, b), found 3"),
        (np.zeros((1, 1, 2)), "a row has 2 values (a, b), found shape (1, 1, 2)"),
    ):
        with pytest.raises(InvalidInput) as raised:
            as_table(array, ("a", "b"))
        assert str(raised.value) == message
    with pytest.raises(InvalidInput, match=r"^a row has 1 value \(a\), found 2$"):
        as_table(np.zeros(2), ("a",))


def test_a_matrix_of_the_declared_type_is_not_copied() -> None:
    rows = np.ones((3, 2), np.float32)
    assert as_matrix(rows, FLOAT32, ("a", "b")) is rows
    for other in (np.asfortranarray(rows), np.ones((3, 4), np.float32)[:, ::2]):
        found = as_matrix(other, FLOAT32, ("a", "b"))
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, rows, strict=True)
    for converted in (rows.astype(np.float64), rows.tolist(), rows.astype(np.int8)):
        np.testing.assert_array_equal(as_matrix(converted, FLOAT32, ("a", "b")), rows, strict=True)
    with pytest.raises(InvalidInput, match="a row has 3 values"):
        as_matrix(rows, FLOAT32, ("a", "b", "c"))
    with pytest.raises(InvalidInput, match=r"^rows: all must have the same length, found 1 and 2 values$"):
        as_matrix([[1], [2, 3]], FLOAT32, ("a", "b"))


def spec(type_: str, *shape: int | str | None) -> TensorSpec:
    return TensorSpec("x", f"tensor({type_})", shape)


def test_a_tensor_that_fits_is_not_copied() -> None:
    value = np.ones((3, 2), np.float32)
    assert as_tensor(value, spec("float", "batch", 2)) is value
    for other in (np.asfortranarray(value), value.astype(np.float64), value.tolist()):
        found = as_tensor(other, spec("float", "batch", 2))
        np.testing.assert_array_equal(found, value, strict=True)
        assert found.flags.c_contiguous


def test_strings_are_checked_each() -> None:
    strings = np.array(["a", None], object)
    with pytest.raises(InvalidInput, match="x: strings are expected, found None"):
        as_tensor(strings, spec("string", "batch"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones((3, 3), np.float32), "the model takes x: float32 [batch, 2], found shape [3, 3]"),
        ([1.0, 2.0], "the model takes x: float32 [batch, 2], found shape [2]"),
        ([["a", "b"]], "x: float32 is expected, found strings"),
        ([[1, 1e39]], "x: 1e+39 does not fit float32"),
    ],
)
def test_tensors_that_do_not_fit(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        as_tensor(value, spec("float", "batch", 2))
    assert str(raised.value) == message
