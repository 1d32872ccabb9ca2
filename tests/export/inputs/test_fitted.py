"""Arrays as a program takes them: of its types and shapes, with codes in place of strings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer
from table_module import STRINGS, drawn_rows
from torch import Tensor

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.inputs.data_files import fitted
from edge_runtime.contract.category_codes import encode


def two_axes(self: object, sequence: Tensor, ids: Tensor, keep: Tensor) -> Tensor:
    return sequence.sum(-1) * ids * keep


@pytest.fixture(scope="module")
def program() -> Program:
    length = ("batch", "length")
    example = (torch.randn(3, 5, 2), torch.ones(3, 5, dtype=torch.int32), torch.ones(3, 5, dtype=torch.bool))
    return capture(layer(two_axes), example, {"sequence": length, "ids": length, "keep": length})


def data(rows: int = 4, length: int = 6, **changes: Any) -> dict[str, Any]:
    arrays = {
        "sequence": np.random.default_rng(0).normal(size=(rows, length, 2)),
        "ids": np.arange(rows * length).reshape(rows, length),
        "keep": np.ones((rows, length), dtype=bool),
    }
    return {name: values for name, values in {**arrays, **changes}.items() if values is not None}


def test_arrays_take_the_types_of_the_inputs(program: Program) -> None:
    given = data(label=np.zeros(4))
    taken = fitted(given, program, "data")
    assert list(taken) == ["sequence", "ids", "keep"]
    assert [values.dtype for values in taken.values()] == [np.float32, np.int32, np.bool_]
    for name, values in taken.items():
        np.testing.assert_array_equal(values, given[name].astype(values.dtype))
    # Integers are numbers too, and lists are arrays; NaN and infinity are what float32 has as well.
    assert fitted(data(sequence=np.ones((4, 6, 2), dtype=np.int8)), program, "data")["sequence"].dtype == np.float32
    assert fitted(data(1, 1, ids=[[7]]), program, "data")["ids"].tolist() == [[7]]
    odd = fitted(data(1, 1, sequence=[[[np.nan, -np.inf]]]), program, "data")["sequence"]
    np.testing.assert_array_equal(odd, [[[np.nan, -np.inf]]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (data(ids=None), "data lacks ids; it holds sequence, keep"),
        ({}, "data lacks sequence; it holds nothing"),
        (data(sequence=np.ones((4, 6))), "data: sequence has the shape [4, 6]; [batch, length, 2] is needed"),
        (data(sequence=np.ones((4, 6, 3))), "data: sequence has the shape [4, 6, 3]; [batch, length, 2] is needed"),
        (data(ids=np.ones(())), "data: ids has the shape []; [batch, length] is needed"),
        (data(ids=np.ones((4, 6))), "data: ids is float64; int32 is needed"),
        (data(keep=np.ones((4, 6), dtype=np.int64)), "data: keep is int64; bool is needed"),
        (data(sequence=np.ones((4, 6, 2), dtype=bool)), "data: sequence is bool; float32 is needed"),
        (data(sequence=np.full((4, 6, 2), "a")), "data: sequence is <U1; float32 is needed"),
        (data(sequence=np.full((4, 6, 2), 1j)), "data: sequence is complex128; float32 is needed"),
        (data(sequence=np.full((4, 6, 2), None)), "data: sequence is object; float32 is needed"),
        (data(sequence=np.full((4, 6, 2), -1e39)), "data: sequence holds -1e+39, which does not fit float32"),
        (data(ids=np.full((4, 6), 2**31)), "data: ids holds 2147483648, which does not fit int32"),
        (data(ids=np.full((4, 6), 2**64 - 1, dtype=np.uint64)), "data: ids holds 18446744073709551615, which does not"),
        (data(ids=np.ones((5, 6), dtype=np.int32)), "data: batch is 4 in one array and 5 in ids"),
        (data(keep=np.ones((4, 7), dtype=bool)), "data: length is 6 in one array and 7 in keep"),
        (data(0), "data has no rows"),
        (data(4, 0), "data is empty along length"),
    ],
)
def test_arrays_that_do_not_fit(program: Program, given: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ExportError) as raised:
        fitted(given, program, "data")
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_program_without_a_batch() -> None:
    program = capture(layer(lambda self, x: x * 2), torch.randn(3), {"x": ()})
    assert fitted({"x": np.array([1, 2, 3])}, program, "data")["x"].tolist() == [1, 2, 3]
    with pytest.raises(ExportError, match=r"x has the shape \[1, 3\]; \[3\] is needed"):
        fitted({"x": np.array([[1, 2, 3]])}, program, "data")


def test_strings_or_codes(table: Program) -> None:
    given = drawn_rows(20)
    strings = given["text"].astype(object)
    codes = encode(strings, STRINGS)
    for text in (given["text"], strings, strings.tolist(), codes, codes.astype(np.uint8)):
        taken = fitted({**given, "text": text}, table, "data")
        np.testing.assert_array_equal(taken["text"], codes)
        assert taken["text"].dtype == np.int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ([["a", 5, "b"]], "data: text holds 5; strings are needed"),
        ([[0, 5, 0]], "data: text holds 5, which is not a code of kind; give strings"),
        ([[0, 0, -1]], "data: text holds -1, which is not a code of plain; give strings"),
        ([[0.0, 0, 0]], "data: text is float64; int64 is needed"),
        ([["a", "b"]], r"data: text has the shape \[1, 2\]; \[batch, 3\] is needed"),
        ([["a", "b", "c"]] * 2, "data: batch is 1 in one array and 2 in text"),
    ],
)
def test_strings_that_do_not_fit(table: Program, text: Any, message: str) -> None:
    values = np.array(text, object) if isinstance(text[0][0], str) else np.array(text)
    with pytest.raises(ExportError, match=message):
        fitted({"x": np.zeros((1, 5)), "text": values}, table, "data")
