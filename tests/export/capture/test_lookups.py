"""What the graph of a program tells of integers that something is looked up at."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import rows
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.lookups import HIGHEST, LOWEST, LookupRange, lookup_ranges

CODES = torch.tensor([[0, 1, 2], [2, 0, 1], [1, 1, 0], [0, 2, 2]])
LAST = torch.tensor([1, 2, 3, 1])
NONE = (LOWEST, HIGHEST)


class Tables(nn.Module):
    """Embeddings of 3, 90 and 50 rows, and an offset for each of three columns."""

    def __init__(self, forward: Callable[..., Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.bag = nn.Embedding(3, 4), nn.Embedding(90, 4), nn.EmbeddingBag(50, 4)
        self.register_buffer("offsets", torch.tensor([0, 10, 20]))
        self._forward = forward


class OfCodes(Tables):
    """Of codes alone."""

    def forward(self, c: Tensor) -> Tensor:
        return self._forward(self, c)


class OfNumbers(Tables):
    """Of numbers and codes."""

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self._forward(self, x, c)


def told(forward: Callable[..., Tensor], c: Tensor = CODES) -> list[tuple[int, int]] | None:
    """The range of each column of codes."""
    found = lookup_ranges(capture(OfCodes(forward), c)).get("c")
    return None if found is None else list(zip(found.low[0].tolist(), found.high[0].tolist(), strict=True))


WAYS: Mapping[str, tuple[Callable[[Any, Tensor], Tensor], list[tuple[int, int]] | None]] = {
    "all columns in one table": (lambda s, c: s.b(c).sum(1), [(0, 89)] * 3),
    "a table for a column": (lambda s, c: s.a(c[:, 0]) + s.b(c[:, 1]), [(0, 2), (0, 89), NONE]),
    "a column in two tables": (lambda s, c: s.b(c[:, 2]) + s.a(c[..., -1]), [NONE, NONE, (0, 2)]),
    "offsets": (lambda s, c: s.b(c + s.offsets), [(0, 89), (-10, 79), (-20, 69)]),
    "offsets on the left": (lambda s, c: s.b(s.offsets[None] + c + 1), [(-1, 88), (-11, 78), (-21, 68)]),
    "a code for missing values": (lambda s, c: s.b(c + 1), [(-1, 88)] * 3),
    "pieces": (lambda s, c: s.a(torch.split(c, 1, 1)[1].squeeze(1)) + s.b(c.unbind(1)[2]), [NONE, (0, 2), (0, 89)]),
    "flattened": (lambda s, c: s.b(c.view(-1)).view(c.shape[0], -1), [(0, 89)] * 3),
    "in another order": (lambda s, c: s.a(c.flip(1).t()[0].int()), [NONE, NONE, (0, 2)]),
    "with a token before": (lambda s, c: s.b(F.pad(c, (1, 0))), None),
    "beside a constant": (lambda s, c: s.b(torch.cat([torch.zeros_like(c[:, :1]), c], 1)), [(0, 89)] * 3),
    "a bag": (lambda s, c: s.bag(c), [(0, 49)] * 3),
    "one-hot": (lambda s, c: F.one_hot(c[:, 0], 5) + 0.0, [(0, 4), NONE, NONE]),
    "indices count from the end too": (lambda s, c: s.b.weight[c[:, 1]], [NONE, (-90, 89), NONE]),
    "index_select": (lambda s, c: s.b.weight.index_select(0, c[:, 1]), [NONE, (0, 89), NONE]),
    "a matrix and a mask": (lambda s, c: s.b.weight[:90, :][c[:, 0], c[:, 1]], [(-90, 89), (-4, 3), NONE]),
    "what is done to them hides it": (lambda s, c: s.b(c.clamp(0, 5)) + s.a(c % 3), None),
    "one where another is meant": (lambda s, c: s.b(torch.where(c < 0, 0, c)), None),
    "one row of them alone": (lambda s, c: c + s.b(c[0, 0])[:3], None),
    "no lookup": (lambda s, c: c * 2.0, None),
}


@pytest.mark.parametrize("way", WAYS)
def test_columns(way: str) -> None:
    forward, expected = WAYS[way]
    assert told(forward) == expected


PLACES: Mapping[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "gather": lambda s, x, c: x.gather(1, c),
    "gather from the last axis": lambda s, x, c: x.gather(-1, c),
    "scatter a number": lambda s, x, c: x.scatter(1, c, 1.0),
    "scatter": lambda s, x, c: x.scatter(1, c, x),
    "scatter_add": lambda s, x, c: x.scatter_add(1, c, x),
    "scatter_reduce": lambda s, x, c: x.scatter_reduce(1, c, x, "amax"),
}


@pytest.mark.parametrize("way", PLACES)
def test_places_in_another_input(way: str) -> None:
    found = lookup_ranges(capture(OfNumbers(PLACES[way]), (rows(4, 7), CODES)))
    assert (found["c"].low == 0).all()
    assert (found["c"].high == 6).all()
    assert found["c"].low.shape == (1, 3)
    assert found.keys() == {"c"}


def test_places_that_depend_on_a_length() -> None:
    def forward(self: Tables, x: Tensor, c: Tensor) -> Tensor:
        return x.gather(1, (c - 1)[:, None])

    program = capture(OfNumbers(forward), (rows(4, 7), LAST), {"x": ("batch", "length")})
    found = lookup_ranges(program)["c"]
    assert (found.low.tolist(), found.size) == ([1], ("length", 0))
    assert found.highest({"batch": 4, "length": 9}).tolist() == [9]
    assert LookupRange(found.low, np.array([5])).highest({}).tolist() == [5]


def test_numbers_that_stand_for_codes() -> None:
    def forward(self: Tables, x: Tensor, c: Tensor) -> Tensor:
        cast = self.b(x[:, 0].long()) + self.a(x[:, 1].to(torch.int32) + 1)
        found: Tensor = cast + self.b((x[:, 2] + 1).long()) + c[:, :1]
        return found

    found = lookup_ranges(capture(OfNumbers(forward), (rows(4, 4).abs().clamp(max=1), CODES)))["x"]
    # What x + 1 is cut to is not what x is cut to, and 1.
    assert list(zip(found.low[0].tolist(), found.high[0].tolist(), strict=True)) == [(0, 89), (-1, 1), NONE, NONE]


class Random(nn.Module):
    """For each column a table, an offset before it, and whether it is taken from a slice or from pieces."""

    def __init__(self, columns: list[tuple[int, int, bool]], place: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, 2) for size, _, _ in columns)
        self.columns, self.place = columns, place

    def forward(self, c: Tensor) -> Tensor:
        shifted = c + torch.tensor([offset for _, offset, _ in self.columns])
        parts = shifted.unbind(-1)
        found = [
            table(parts[place] if in_pieces else shifted.select(-1, place))
            for place, (table, (_, _, in_pieces)) in enumerate(zip(self.tables, self.columns, strict=True))
            if place != self.place
        ]
        total: Tensor = torch.stack([*found, found[0]]).sum(0)
        return total


@settings(deadline=None, max_examples=5)
@given(
    columns=st.lists(st.tuples(st.integers(1, 50), st.integers(-20, 20), st.booleans()), min_size=2, max_size=5),
    data=st.data(),
)
def test_any_layout_of_tables(columns: list[tuple[int, int, bool]], data: st.DataObject) -> None:
    dropped = data.draw(st.integers(0, len(columns) - 1))
    fixed = data.draw(st.booleans())
    row = torch.tensor([-offset for _, offset, _ in columns])
    example = row.expand(3, 4, len(columns)) if fixed else row.expand(3, len(columns))
    found = lookup_ranges(capture(Random(columns, dropped).eval(), example.contiguous()))["c"]
    for place, (size, offset, _) in enumerate(columns):
        expected = NONE if place == dropped else (-offset, size - 1 - offset)
        assert set(found.low[..., place].flat) == {expected[0]}
        assert set(found.high[..., place].flat) == {expected[1]}
