"""What is passed for tensors of types that numpy does not have, for sequences, maps and optional inputs."""

import sys
from typing import Any

import numpy as np
import pytest

from edge_runtime import InvalidInput, TensorSpec
from edge_runtime.rows.model_inputs import as_input


def spec(type_: str, *shape: int | str | None) -> TensorSpec:
    return TensorSpec("x", type_, shape)


@pytest.mark.parametrize("value", [([1, 2], [3.0]), [[1, 2], [3]], (np.array([1, 2]), np.array([3.0], np.float16))])
def test_the_elements_of_a_sequence_are_cast(value: Any) -> None:
    found = as_input(value, spec("seq(tensor(float))"))
    assert type(found) is list
    assert [element.dtype for element in found] == [np.float32, np.float32]
    assert [element.tolist() for element in found] == [[1, 2], [3]]


def test_an_array_is_a_sequence_of_its_rows() -> None:
    found = as_input(np.arange(6).reshape(3, 2), spec("optional(seq(tensor(int32)))"))
    assert [element.tolist() for element in found] == [[0, 1], [2, 3], [4, 5]]
    assert as_input([], spec("seq(tensor(string))")) == []


def test_the_keys_and_values_of_maps_become_pythons() -> None:
    found = as_input({np.str_("a"): np.float32(1), "b": 2}, spec("map(string,tensor(float))"))
    assert found == {"a": 1.0, "b": 2.0}
    assert {type(key) for key in found} == {str}
    assert {type(one) for one in found.values()} == {float}
    assert as_input({np.int64(1): "p"}, spec("map(int64,tensor(string))")) == {1: "p"}
    assert as_input([{1: 2}], spec("seq(map(int64,tensor(double)))")) == [{1: 2.0}]


def test_what_is_of_another_kind_passes() -> None:
    value = object()
    assert as_input(value, spec("sparse_tensor(float)")) is value


@pytest.mark.parametrize(
    ("value", "type_", "message"),
    [
        (5, "seq(tensor(float))", "x: a list is expected (seq(tensor(float))), found int"),
        (None, "seq(tensor(float))", "x: a list is expected (seq(tensor(float))), found NoneType"),
        ("ab", "seq(tensor(string))", "x: a list is expected (seq(tensor(string))), found str"),
        (np.array(5), "seq(tensor(float))", "x: a list is expected (seq(tensor(float))), found ndarray"),
        ([[1.0], ["a"]], "seq(tensor(float))", "x[1]: float32 is expected, found strings"),
        ([[1.5]], "seq(tensor(int64))", "x[0]: int64 is expected, found 1.5"),
        ([None], "seq(tensor(float))", "x[0]: float32 is expected, found None"),
        ([1], "map(string,tensor(float))", "x: a dict is expected (map(string,tensor(float))), found list"),
        ({}, "map(string,tensor(float))", "x: ONNX Runtime does not take an empty map; give one key at least"),
        ({1: 1}, "map(string,tensor(float))", "a key of x: string is expected, found 1"),
        ({1.5: 1}, "map(int64,tensor(float))", "a key of x: int64 is expected, found 1.5"),
        ({"a": "1"}, "map(string,tensor(float))", "x['a']: float is expected, found '1'"),
        ({"a": None}, "map(string,tensor(float))", "x['a']: float is expected, found None"),
        ({"a": 1e300}, "map(string,tensor(float))", "x['a']: float is expected, found 1e+300"),
        ({2**63: 1}, "map(int64,tensor(float))", f"a key of x: int64 is expected, found {2**63}"),
        ({1: 2}, "map(int64,tensor(string))", "x[1]: string is expected, found 2"),
    ],
)
def test_what_does_not_fit(value: Any, type_: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        as_input(value, spec(type_))
    assert str(raised.value) == message


def test_types_of_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bfloat16 = as_input([1, 2.5, np.nan], spec("tensor(bfloat16)", "n"))
    assert bfloat16.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(bfloat16.astype(float), [1, 2.5, np.nan])
    int4 = as_input(np.array([-8, 7], np.int64), spec("optional(tensor(int4))", 2))
    assert int4.dtype == ml_dtypes.int4
    assert as_input(int4, spec("tensor(int4)", 2)) is int4
    for value, type_, message in (
        ([8], "tensor(int4)", "x: 8 does not fit int4"),
        ([-1], "tensor(uint4)", "x: -1 does not fit uint4"),
        ([1.5], "tensor(int4)", "x: int4 is expected, found float64"),
        ([1e39], "tensor(bfloat16)", "x: 1e+39 does not fit bfloat16"),
        (["a"], "tensor(bfloat16)", "x: bfloat16 is expected, found <U1"),
        ([[1]], "tensor(bfloat16)", "the model takes x: bfloat16 [2], found shape [1, 1]"),
    ):
        with pytest.raises(InvalidInput) as raised:
            as_input(value, spec(type_, 2) if value == [[1]] else spec(type_))
        assert str(raised.value) == message


def test_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(InvalidInput, match=r"^x: bfloat16 is a type of ml_dtypes; pip install ml_dtypes$"):
        as_input([1], spec("tensor(bfloat16)"))
