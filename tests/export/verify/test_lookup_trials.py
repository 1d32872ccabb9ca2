"""What the graph tells of lookups counts where torch shows it."""

from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import layer, rows
from table_module import Table, example
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.lookups import HIGHEST, LOWEST
from edge_export.capture.program import Program
from edge_export.verify import lookup_trials
from edge_export.verify.lookup_trials import input_ranges, sizes_of, tried_ranges
from edge_runtime.contract.input_ranges import InputRange, InputRanges, SizeBound

CODES = torch.tensor([[0, 1], [2, 0], [1, 1], [0, 2]])


def stated(program: Program) -> InputRanges | None:
    return input_ranges(program, tried_ranges(program))


def program_of(forward: Callable[..., Any], *inputs: Tensor, **dynamic: Any) -> Program:
    return capture(layer(forward), inputs, dynamic)


def test_columns_with_ranges_of_their_own() -> None:
    def forward(self: Any, c: Tensor) -> Tensor:
        found: Tensor = self.layer.weight.index_select(0, c[:, 0]) + F.one_hot(c[:, 1], 9).sum(1, keepdim=True)
        return found

    assert stated(program_of(forward, CODES)) == InputRanges((InputRange("c", (1, 2), (0, 0), (2, 8)),))


def test_one_range_for_all_places_is_stated_once() -> None:
    ids = torch.zeros(2, 5, dtype=torch.int64)
    assert stated(capture(nn.Embedding(6, 2), ids)) == InputRanges((InputRange("input", (1, 1), (0,), (5,)),))


def test_torch_counts_indices_from_the_end() -> None:
    found = stated(program_of(lambda self, c: self.layer.weight[c[:, 0]] + c[:, 1:], CODES))
    assert found == InputRanges((InputRange("c", (1, 2), (-3, None), (2, None)),))


def test_a_range_that_depends_on_a_size() -> None:
    last = torch.tensor([0, 1, 4, 2])
    program = program_of(lambda self, x, last: x.gather(1, last[:, None]), rows(4, 5), last, x=("batch", "length"))
    assert stated(program) == InputRanges((InputRange("last", (1,), (0,), (None,), SizeBound("x", 1, -1)),))
    assert sizes_of(program, {"x": np.zeros((3, 7)), "last": np.zeros(3)}) == {"batch": 3, "length": 7}


class Careless(nn.Module):
    """Looks up codes, but takes all others for the last one without the graph's knowledge."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(6, 2)

    def forward(self, c: Tensor) -> Tensor:
        found: Tensor = self.table(c if torch.compiler.is_exporting() else c.clamp(max=5))
        return found.sum(1)


def test_a_bound_that_torch_does_not_keep_is_dropped() -> None:
    found = tried_ranges(capture(Careless(), CODES))["c"]
    assert (found.low == 0).all()
    assert (found.high == HIGHEST).all()


class Strict(nn.Module):
    """Takes fewer codes than its table has rows."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(6, 2)

    def forward(self, c: Tensor) -> Tensor:
        if not torch.compiler.is_exporting() and c[:, 0].max() > 3:
            raise ValueError("the first code is at most 3")
        found: Tensor = self.table(c)
        return found.sum(1)


def test_a_range_at_whose_ends_torch_raises_is_dropped() -> None:
    program = capture(Strict(), CODES)
    assert tried_ranges(program) == {}
    assert stated(program) is None


def test_a_lookup_of_the_first_elements_alone_is_not_a_range_of_all() -> None:
    """A range counts wherever the value is, in longer calls than the example too."""

    def forward(self: Any, ids: Tensor) -> Tensor:
        found: Tensor = nn.functional.embedding(ids[:, :4], self.layer.weight).sum(1)
        return found

    program = program_of(forward, torch.zeros(2, 4, dtype=torch.int64), ids=("batch", "length"))
    assert tried_ranges(program) == {}


def test_a_narrow_type_holds_nothing_beyond() -> None:
    program = program_of(lambda self, c: F.one_hot(c.long(), 256) + 0.0, torch.zeros(4, dtype=torch.uint8))
    found = tried_ranges(program)["c"]
    assert (found.low.tolist(), found.high.tolist()) == ([0], [255])


def test_numbers_that_stand_for_codes() -> None:
    program = program_of(lambda self, x: x[:, 1:] + self.layer.weight.index_select(0, x[:, 0].long()), rows(4, 4).abs())
    found = tried_ranges(program)["x"]
    assert (found.low.tolist(), found.high.tolist()) == ([[0, *[LOWEST] * 3]], [[2, *[HIGHEST] * 3]])
    assert stated(program) == InputRanges((InputRange("x", (1, 4), (0, *[None] * 3), (2, *[None] * 3)),))


def test_category_codes_are_strings_in_the_artifact(table: Program) -> None:
    assert "text" in tried_ranges(table)
    assert stated(table) is None
    without = capture(Table(), example(Table()))
    assert stated(without) is None


def test_a_costly_module_is_tried_on_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.zeros(2, 300, dtype=torch.int64)
    counts = []
    for costly in (2.0**60, 0.0):
        monkeypatch.setattr(lookup_trials, "COSTLY", costly)
        program = capture(nn.Embedding(6, 2), ids)
        with monkeypatch.context() as patch:
            counting = MagicMock(side_effect=lambda tensors, run=program.failure: run(tensors))
            patch.setattr(Program, "failure", lambda self, tensors, counting=counting: counting(tensors))
            assert (tried_ranges(program)["input"].high == 5).all()
        counts.append(counting.call_count)
    assert counts[1] <= 10 < counts[0] < 80


@settings(deadline=None, max_examples=4)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), offset=st.integers(-9, 9))
def test_torch_raises_just_outside_and_runs_within(sizes: list[int], offset: int) -> None:
    class Tables(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(size, 2) for size in sizes)

        def forward(self, c: Tensor) -> Tensor:
            parts = zip(self.tables, (c + offset).unbind(1), strict=True)
            total: Tensor = torch.stack([table(part) for table, part in parts]).sum(0)
            return total

    program = capture(Tables(), torch.full((3, len(sizes)), -offset))
    found = stated(program)
    assert found is not None
    (only,) = found.inputs
    low, high = (np.broadcast_to(bound, (1, len(sizes))) for bound in only.bounds)
    np.testing.assert_array_equal(low, [[-offset] * len(sizes)])
    np.testing.assert_array_equal(high, [[size - 1 - offset for size in sizes]])
    for bound in (low, high):
        assert program.failure({"c": np.repeat(bound, 2, axis=0)}) is None
    for place in range(len(sizes)):
        beyond = low.copy()
        beyond[0, place] -= 1
        assert "index out of range" in str(program.failure({"c": beyond}))
