"""Ranges of inputs that the user states."""

from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.inputs.stated_ranges import stated_ranges


def forward(self: Any, x: Tensor, c: Tensor, flag: Tensor, ids: Tensor, n: Tensor) -> Tensor:
    if not torch.compiler.is_exporting() and c.max() > 1000:
        raise ValueError("too large a code")
    found: Tensor = x * c.sum(1, keepdim=True) * flag[:, None] * n + nn.functional.embedding(
        ids, self.layer.weight
    ).sum(1)
    return found


@pytest.fixture(scope="module")
def program() -> Program:
    inputs = (rows(4, 3), torch.ones(4, 2).int(), rows(4) > 0, torch.zeros(4, 5).long(), torch.tensor(2))
    return capture(layer(forward), inputs, {"ids": ("batch", "length"), "n": ()})


def test_one_range_for_all_places_or_one_for_each(program: Program) -> None:
    found = stated_ranges({"c": [(0, 2), (-1, 899)], "x": (0, 1), "ids": [0, 2], "n": (1, 3)}, program)
    assert [bound.tolist() for bound in found["c"]] == [[[0, -1]], [[2, 899]]]
    assert [bound.tolist() for bound in found["x"]] == [[[0]], [[1]]]
    assert [bound.tolist() for bound in found["ids"]] == [[[0]], [[2]]]
    assert [bound.tolist() for bound in found["n"]] == [1, 3]
    assert [found[name][0].dtype.name for name in "cx"] == ["int64", "float64"]
    assert stated_ranges({}, program) == {}
    assert [bound.tolist() for bound in stated_ranges({"x": np.array([[0, 1], [2, 3], [-1.5, 4]])}, program)["x"]] == [
        [[0, 2, -1.5]],
        [[1, 3, 4]],
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"d": (0, 1)}, "no input is named d; the inputs are x, c, flag, ids, n"),
        ({"idz": (0, 1)}, "did you mean 'ids'"),
        ({"flag": (0, 1)}, "flag holds booleans; it has no range"),
        ({"c": 3}, "c has 3; give (low, high), or a list of such pairs"),
        ({"c": (0, 1, 2)}, "c has (0, 1, 2); give (low, high)"),
        ({"c": [(0, 1), (0,)]}, "c has [(0, 1), (0,)]; give (low, high)"),
        ({"c": ("a", "b")}, "c has ('a', 'b'); give (low, high)"),
        ({"c": None}, "c has None; give (low, high)"),
        ({"c": [(0, 1)] * 3}, "3 pairs are given for c, whose last axis has the size 2: give one for each place on it"),
        ({"ids": [(0, 1)] * 5}, "5 pairs are given for ids, whose last axis has the size length"),
        ({"n": [(0, 1)]}, "1 pairs are given for n, whose last axis has the size none"),
        ({"x": (0, float("inf"))}, "x has a range that is not finite"),
        ({"x": (float("nan"), 1)}, "x has a range that is not finite"),
        ({"x": (2, 1)}, "x has the range 2 to 1; write the smaller number first"),
        ({"c": [(0, 1), (5, 4)]}, "c has the range 5 to 4; write the smaller number first"),
        ({"c": (0, 1.5)}, "c holds int32; give integers that it can hold"),
        ({"c": (0, 2**40)}, "c holds int32; give integers that it can hold"),
        ({"c": (0, 1001)}, "the module fails with c at 1001, an end of its range: ValueError: too large a code"),
        ({"ids": (-1, 2)}, "the module fails with ids at -1, an end of its range: IndexError"),
    ],
)
def test_what_is_not_a_range(program: Program, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError) as raised:
        stated_ranges(given, program)
    assert str(raised.value).startswith("ranges: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_strings_have_no_range(table: Program) -> None:
    with pytest.raises(ExportError, match=r"^ranges: text holds strings, whose categories are in the signature"):
        stated_ranges({"text": (0, 1)}, table)
