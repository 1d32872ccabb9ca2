import struct
from typing import Any

import numpy as np
import pytest

from edge_runtime import InvalidInput, TensorSpec
from edge_runtime.rows.arrays import as_tensor
from edge_runtime.serve import wire_tensors

NUMBERS = ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64", "BOOL"]


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_in_json_and_bytes(datatype: str) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]], wire_tensors.dtype_of(datatype, "x"))
    tensor = {"datatype": datatype, "shape": [2, 3], "data": array.tolist()}
    assert wire_tensors.datatype_of_array(array) == datatype
    assert np.array_equal(wire_tensors.from_json(tensor, "x"), array)
    assert np.array_equal(wire_tensors.from_json({**tensor, "data": array.ravel().tolist()}, "x"), array)
    read = wire_tensors.from_bytes(tensor, "x", memoryview(wire_tensors.to_bytes(array)))
    assert np.array_equal(read, array)
    assert read.dtype == array.dtype


def test_bytes_that_lie_anywhere() -> None:
    content = memoryview(b"." + np.arange(4.0).tobytes())[1:]
    read = wire_tensors.from_bytes({"datatype": "FP64", "shape": [4]}, "x", content)
    assert read.flags.aligned
    assert read.tolist() == [0, 1, 2, 3]


def test_strings() -> None:
    array = np.array([["a", ""], ["ä\0b", "𝄞"]], object)
    tensor = {"datatype": "BYTES", "shape": [2, 2]}
    content = wire_tensors.to_bytes(array)
    assert content.startswith(b"\1\0\0\0a\0\0\0\0\4\0\0\0")
    assert np.array_equal(wire_tensors.from_bytes(tensor, "x", memoryview(content)), array)
    assert np.array_equal(wire_tensors.from_json({**tensor, "data": array.tolist()}, "x"), array)
    assert wire_tensors.to_json(array) == ["a", "", "ä\0b", "𝄞"]


def test_bfloat16() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1.5, -2], ml_dtypes.bfloat16)
    read = wire_tensors.from_bytes({"datatype": "BF16", "shape": [2]}, "x", memoryview(wire_tensors.to_bytes(array)))
    assert (read.dtype, read.tolist()) == (array.dtype, [1.5, -2])
    assert wire_tensors.datatype_of_array(array) == "BF16"
    assert wire_tensors.to_json(array).tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("UINT64", [2**64 - 1, 1]), ("UINT64", [[0], [2**63]]), ("INT64", [-(2**63), 2**63 - 1])],
)
def test_the_largest_integers(datatype: str, data: list[Any]) -> None:
    dtype = wire_tensors.dtype_of(datatype, "x")
    found = wire_tensors.from_json({"datatype": datatype, "shape": [2, 1], "data": data}, "x")
    expected = np.array(data, dtype).reshape(2, 1)
    assert np.array_equal(as_tensor(found, TensorSpec("x", f"tensor({dtype})", ())), expected)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ({"shape": [1], "data": [1]}, "x: unknown datatype None; the protocol has INT8"),
        ({"datatype": "FP8", "shape": [1], "data": [1]}, "unknown datatype 'FP8'"),
        ({"datatype": ["FP32"], "shape": [1], "data": [1]}, "unknown datatype"),
        ({"datatype": "FP32", "data": [1]}, "shape must be a list of sizes, found None"),
        ({"datatype": "FP32", "shape": [-1], "data": [1]}, "shape must be a list of sizes"),
        ({"datatype": "FP32", "shape": [True], "data": [1]}, "shape must be a list of sizes"),
        ({"datatype": "FP32", "shape": [2], "data": [1]}, r"shape \[2\] has 2 elements, found 1"),
        ({"datatype": "FP32", "shape": [1] * 99, "data": [1]}, "more than 64 axes"),
        ({"datatype": "FP32", "shape": [2**40, 2**40, 2**40], "data": [1]}, r"has \d{37} elements, found 1"),
        ({"datatype": "FP32", "shape": [2**63, 0], "data": []}, "one of more than 9223372036854775807 elements"),
        ({"datatype": "FP32", "shape": [2**62, 0, 2**62], "data": []}, "is not that of a tensor: .*too big"),
        ({"datatype": "FP32", "shape": [2]}, "x has no data"),
        ({"datatype": "FP32", "shape": [2], "data": "12"}, "data must be a list, found str"),
        ({"datatype": "FP32", "shape": [3], "data": [[1, 2], [3]]}, "all must have the same length"),
    ],
)
def test_json_that_does_not_fit(tensor: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        wire_tensors.from_json(tensor, "x")


@pytest.mark.parametrize(
    ("datatype", "content", "message"),
    [
        ("FP32", b"12345", "5 bytes are not elements of FP32"),
        ("FP32", b"1234", r"shape \[2\] has 2 elements, found 1"),
        ("BYTES", b"\1\0\0", "end within the length"),
        ("BYTES", b"\5\0\0\0abc", "end within a string"),
        ("BYTES", struct.pack("<I", 2**32 - 1), "end within a string"),
        ("BYTES", b"\1\0\0\0\xff", "string 0 is not UTF-8"),
    ],
)
def test_bytes_that_do_not_fit(datatype: str, content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        wire_tensors.from_bytes({"datatype": datatype, "shape": [2]}, "x", memoryview(content))


def test_declared_types() -> None:
    names = {
        "float": "FP32",
        "double": "FP64",
        "float16": "FP16",
        "string": "BYTES",
        "bfloat16": "BF16",
        "uint8": "UINT8",
    }
    for name, datatype in names.items():
        assert wire_tensors.datatype_of(TensorSpec("x", f"tensor({name})", ())) == datatype
    assert wire_tensors.datatype_of(TensorSpec("x", "seq(map(int64,tensor(float)))", ())) is None


def test_classes() -> None:
    array = np.array([[0.25, 0.5, 0.25], [1, 0, 0]], np.float32)
    assert wire_tensors.classes(array, 2, ("a", "b", "c")).tolist() == [
        ["0.500000:1:b", "0.250000:0:a"],
        ["1.000000:0:a", "0.000000:1:b"],
    ]
    assert wire_tensors.classes(array[:, :1], 5, ("a", "b")).tolist() == [["0.250000:0"], ["1.000000:0"]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int8, np.int64])
def test_classes_of_integers(dtype: Any) -> None:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    array = np.array([[low, 3, high, 3]], dtype)
    assert wire_tensors.classes(array, 9, ()).tolist() == [[f"{high}:2", "3:1", "3:3", f"{low}:0"]]


def test_classes_of_what_has_none() -> None:
    assert wire_tensors.classes(np.empty((0, 3), np.float32), 2, ()).shape == (0, 2)
    assert wire_tensors.classes(np.empty((2, 0), np.float32), 2, ()).shape == (2, 0)
    assert wire_tensors.classes(np.array(0.5, np.float16), 2, ()).tolist() == [["0.500000:0"]]
    for array in (np.array([["a"]], object), np.array([[True]])):
        with pytest.raises(InvalidInput, match="classification is for outputs that are numbers"):
            wire_tensors.classes(array, 1, ())
