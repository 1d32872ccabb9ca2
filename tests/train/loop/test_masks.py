"""How often and where dropout drops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_train.loop.masks import Masks

CPU = torch.device("cpu")


@given(
    st.lists(st.integers(1, 9), max_size=3),
    st.floats(0, 0.999),
    st.integers(-(2**70), 2**70),
    st.lists(st.integers(1, 20), max_size=3),
)
def test_masks_are_zero_or_one_other_number(widths: list[int], dropout: float, seed: int, calls: list[int]) -> None:
    masks, again = Masks(widths, dropout, seed), Masks(widths, dropout, seed)
    for rows in calls:
        drawn = masks.draw(rows, CPU)
        assert [(mask.shape, mask.dtype) for mask in drawn] == [((rows, width), torch.float32) for width in widths]
        for mask in drawn:
            assert ((mask == 0) | ((mask - 1 / (1 - dropout)).abs() < 0.02 / (1 - dropout))).all()
        assert all(map(torch.equal, drawn, again.draw(rows, CPU)))


@pytest.mark.parametrize("dropout", [0.0, 0.001, 0.2, 0.5, 0.99])
def test_each_value_is_dropped_as_often_as_it_should_and_the_mean_stays(dropout: float) -> None:
    rows, width = 40_000, 5
    masks = Masks((3, width), dropout, 7)
    _, first = masks.draw(rows, CPU)
    _, second = masks.draw(rows, CPU)
    deviation = (dropout * (1 - dropout) / rows) ** 0.5
    for mask in (first, second):
        dropped = (mask == 0).double()
        assert (dropped.mean(0) - dropout).abs().max() <= 5 * deviation
        assert (mask.double().mean(0) - 1).abs().max() <= 5 * deviation / (1 - dropout)
    if dropout in (0.2, 0.5):
        # Neither the values of a row, nor those beside it, nor the same of another call tell anything about a value.
        columns = torch.cat([(first != 0).double(), (second != 0).double()], 1)
        neighbours = torch.cat([columns[:-1], columns[1:]], 1).T
        correlations = torch.corrcoef(neighbours) - torch.eye(4 * width)
        off = correlations[: 2 * width, 2 * width :].abs().max(), correlations[:width, width : 2 * width].abs().max()
        assert max(off) < 6 / rows**0.5


def test_other_seeds_give_other_masks() -> None:
    drawn = [Masks((64,), 0.5, seed).draw(3, CPU)[0] for seed in (0, 1, -1, 2**40)]
    assert len({tuple(mask.flatten().tolist()) for mask in drawn}) == 4


def test_what_rounds_to_dropping_everything_keeps_a_little() -> None:
    (mask,) = Masks((1000,), 1 - 1e-9, 0).draw(1000, CPU)
    assert 0 < (mask != 0).sum() < 100
    assert mask.isfinite().all()
