import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import InvalidInput
from edge_runtime.contract.terminal import json_string
from edge_runtime.scoring.text_columns import csv_cells, joined, json_values


def test_cells_are_quoted_where_they_must_be() -> None:
    cells = csv_cells(pa.array(["a", "b,c", 'd"', None, "e\n", "f;"]), ",")
    assert cells.to_pylist() == ["a", '"b,c"', '"d"""', "", '"e\n"', "f;"]
    assert csv_cells(pa.array(["f;g"]), ";").to_pylist() == ['"f;g"']
    assert csv_cells(pa.array(["\x1b[2J"]), ",", is_shown=True).to_pylist() == ["\\x1b[2J"]


def test_json_of_numbers() -> None:
    found = json_values(pa.array([1.0, 1e30, -0.0, None, float("inf")])).to_pylist()
    assert found == ["1.0", "1e+30", "-0.0", "null", "null"]


def test_strings_do_not_control_terminals() -> None:
    for text in ("\x1b[2J", "\u202e", 'a"b\\', "é"):
        assert json_string(text).isprintable()
        assert json.loads(json_string(text)) == text


def test_parts_of_arrays() -> None:
    text = pa.array(["aa", "b", "", "cc"]).slice(1, 2)
    assert bytes(joined(text, ";\n")) == b"b;\n;\n"
    assert bytes(joined(text.slice(0, 0), "\n")) == b""


def test_bytes_that_are_not_text() -> None:
    with pytest.raises(InvalidInput, match="cannot be written as text"):
        csv_cells(pa.array([b"\xff"]), ",")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(st.floats(-1e-4, 1e-4) | st.sampled_from([1e-4, 1e-5, 2.5e-6, 1e-6, 9.9e-7, -1e-7, 1e-9, 0.0, -0.0]))
def test_numbers_near_zero_are_written_as_row_by_row(dtype: type, value: float) -> None:
    number = dtype(value)
    assert csv_cells(pa.array([number]), ",").to_pylist() == [str(number)]
