"""Rows for penguins.onnx, and the tensors that they lead to."""

import math
from typing import Any

import numpy as np

from edge_runtime import Feature, Input, Signature
from edge_runtime.rows.row_reader import RowReader

NAN = math.nan
ORDER = ("island", "bill", "mass", "ringed", "year")
ROWS: list[dict[str, Any]] = [
    {"island": "Dream", "bill": 40.5, "mass": 3000, "ringed": True, "year": 2007},
    {"island": None, "bill": None, "mass": None, "ringed": False, "year": None},
    {"island": " Foo ", "bill": 50.0, "mass": 9000, "ringed": False, "year": 2050},
]
X = np.array([[3000, 40.5, 1], [NAN, NAN, 0], [9000, 50, 0]], np.float32)
TEXT = np.array([["Dream", "2007"], ["", ""], ["Foo", "2050"]], object)


def listed() -> list[list[Any]]:
    return [[row[name] for name in ORDER] for row in ROWS]


def assert_same(found: dict[str, np.ndarray], rows: slice = slice(None)) -> None:
    assert list(found) == ["x", "text"]
    np.testing.assert_array_equal(found["x"], X[rows], strict=True)
    np.testing.assert_array_equal(found["text"], TEXT[rows], strict=True)
    assert all(array.flags.c_contiguous for array in found.values())


def plain(missing: float | None) -> RowReader:
    signature = Signature((Input("x", (Feature("a", missing=missing), Feature("b"))),), "p", (0, 1))
    return RowReader(signature, np.dtype(np.float32))
