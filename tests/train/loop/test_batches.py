"""Which rows are in a batch, and which values a mask drops."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from edge_runtime import Feature, Input, Signature
from edge_train import Part, Settings, TableNet
from edge_train.loop.batches import Batches, part_tensors

ROWS = 420
SIGNATURE = Signature(
    (Input("x", (Feature("n"),)), Input("text", (Feature("c", "categorical", categories=("u", "v")),))),
    "probability",
    ("no", "yes"),
)


class Multiplying(TableNet):
    """Prepares numbers in a way that can be told."""

    factor = 1
    fails = False

    def prepare(self, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        if self.fails:
            raise ValueError("no such row")
        return (self.factor * inputs[0], inputs[1])


NETWORK = Multiplying(SIGNATURE, (50, 7))
SETTINGS = Settings((50, 7), dropout=0.3, batch_size=100)


def part(rows: int = ROWS, rare: float = 0.5) -> Part:
    """Rows that can be told apart, in an order other than that of the signature's inputs."""
    numbers = np.arange(rows, dtype=np.float32)
    inputs: dict[str, np.ndarray] = {"text": (2 + numbers % 2)[:, None].astype(np.int64), "x": numbers[:, None]}
    return Part(inputs, (numbers < rare * rows).astype(np.float32))


def batches(settings: Settings = SETTINGS) -> Batches:
    return Batches(part_tensors(part(), NETWORK, False, torch.device("cpu")), NETWORK, settings)


def drawn(epoch: int, settings: Settings = SETTINGS) -> list[tuple[list[torch.Tensor], float]]:
    return [(list(batch), fraction) for batch, fraction in batches(settings).epoch(epoch)]


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for (x, _), (y, _) in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_an_epoch_has_every_row_once_in_random_order() -> None:
    found = drawn(0)
    assert len(batches()) == len(found) == 5
    assert [len(batch[0]) for batch, _ in found] == [100, 100, 100, 100, 20]
    assert [fraction for _, fraction in found] == [100 / ROWS] * 4 + [20 / ROWS]
    numbers = torch.cat([batch[0][:, 0] for batch, _ in found])
    assert sorted(numbers.tolist()) == list(range(ROWS))
    assert numbers.tolist() != sorted(numbers.tolist())
    # The other tensors have the same rows.
    for (x, text, target, *_), _ in found:
        assert torch.equal(text[:, 0], (2 + x[:, 0] % 2).long())
        assert torch.equal(target, (x[:, 0] < ROWS / 2).float())


def test_a_large_table_is_taken_out_in_chunks_ahead_of_the_steps() -> None:
    """As a small one: every row once, its tensors together, masks that differ, and the same again."""
    rows = 10_001
    network = Multiplying(SIGNATURE, (5,))
    network.factor = 2
    made = Batches(part_tensors(part(rows), network, False, torch.device("cpu")), network, SETTINGS)
    found, again = list(made.epoch(2)), list(made.epoch(2))
    assert len(made) == len(found) == 101
    assert sum(fraction for _, fraction in found) == pytest.approx(1)
    doubled = torch.cat([batch[0][:, 0] for batch, _ in found])
    assert sorted(doubled.tolist()) == [2 * row for row in range(rows)]
    for (x, text, target, mask), _ in found:
        assert torch.equal(text[:, 0], (2 + x[:, 0] / 2 % 2).long())
        assert torch.equal(target, (x[:, 0] < rows).float())
        assert mask.shape == (len(x), 5)
    assert len({tuple(batch[3].flatten().tolist()) for batch, _ in found}) == 101
    assert same(found, again)


def test_an_epoch_that_is_left_in_the_middle_does_not_end_the_next() -> None:
    made = Batches(part_tensors(part(10_001), NETWORK, False, torch.device("cpu")), NETWORK, SETTINGS)
    for _ in made.epoch(0):
        break
    assert len(list(made.epoch(0))) == len(made)


def test_an_error_of_the_network_reaches_the_caller() -> None:
    network = Multiplying(SIGNATURE, (5,))
    network.factor = 2
    tensors = part_tensors(part(10_001), network, False, torch.device("cpu"))
    network.fails = True
    with pytest.raises(ValueError, match="no such row"):
        list(Batches(tensors, network, SETTINGS).epoch(0))


def test_rows_are_prepared_once_if_all_are_in_each_batch() -> None:
    network = Multiplying(SIGNATURE, (5,))
    network.factor = 2
    whole = replace(SETTINGS, batch_size=None)
    made = Batches(part_tensors(part(), network, False, torch.device("cpu")), network, whole)
    network.fails = True
    ((x, *_), _), ((again, *_), _) = [*made.epoch(0), *made.epoch(1)]
    assert x is again
    assert torch.equal(x, 2 * made.inputs[0])


def test_the_seed_and_the_epoch_alone_set_batches_and_masks() -> None:
    assert same(drawn(3), drawn(3))
    assert not same(drawn(3), drawn(4))
    assert not same(drawn(3), drawn(3, replace(SETTINGS, seed=1)))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    drawn(0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("batch_size", [None, ROWS, 1000])
def test_a_batch_of_all_rows_has_them_in_their_order(batch_size: int | None) -> None:
    (((x, *_), fraction),) = drawn(0, replace(SETTINGS, batch_size=batch_size))
    assert fraction == 1.0
    assert x[:, 0].tolist() == list(range(ROWS))


def test_dropout_zeroes_its_fraction_anew_in_each_batch() -> None:
    masks = [batch[3:] for epoch in (0, 1) for batch, _ in drawn(epoch)]
    assert {tuple(mask.shape for mask in each) for each in masks} == {((100, 50), (100, 7)), ((20, 50), (20, 7))}
    first = [each[0] for each in masks]
    # What is kept is larger, so that the mean stays.
    assert all(np.allclose(sorted(set(mask.flatten().tolist())), [0, 1 / 0.7]) for mask in first)
    assert torch.cat(first).eq(0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert len({tuple(mask[:20].flatten().tolist()) for mask in first}) == len(first) == 10


def test_without_dropout_there_are_no_masks() -> None:
    assert {len(batch) for batch, _ in drawn(0, replace(SETTINGS, dropout=0.0))} == {3}


def test_tensors_stand_in_the_order_of_the_signature() -> None:
    x, text, target = part_tensors(part(), NETWORK, False, torch.device("cpu"))
    assert (x.dtype, text.dtype, target.dtype) == (torch.float32, torch.int64, torch.float32)
    assert (x.shape, text.shape, target.shape) == ((ROWS, 1), (ROWS, 1), (ROWS,))


def test_weights_let_classes_count_the_same() -> None:
    *_, target, weight = part_tensors(part(rare=0.1), NETWORK, True, torch.device("cpu"))
    assert weight.dtype == torch.float32
    sums = [weight[target == label].sum().item() for label in (0, 1)]
    assert sums == pytest.approx([ROWS / 2, ROWS / 2])
    assert weight.mean().item() == pytest.approx(1)


@pytest.mark.parametrize("batch_size", [None, 100])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_row_has_a_weight_for_each_member_that_learns_from_it(balanced: bool, batch_size: int | None) -> None:
    random = torch.Generator().manual_seed(0)
    learned = torch.rand((ROWS, 3), generator=random) < torch.tensor([0.9, 0.5, 0.1])
    rows = part_tensors(part(rare=0.1), NETWORK, balanced, torch.device("cpu"))
    settings = replace(SETTINGS, batch_size=batch_size)
    found = [batch for batch, _ in Batches(rows, NETWORK, settings, learned).epoch(0)]
    # The same rows as without, and masks behind the weights.
    plain = [batch for batch, _ in Batches(rows, NETWORK, settings).epoch(0)]
    for one, other in zip(found, plain, strict=True):
        assert all(map(torch.equal, one[:3], other[:3]))
        assert all(map(torch.equal, one[4:], other[3 + balanced :]))
        assert len(one) == 4 + 2
    weight, places = torch.cat([batch[3] for batch in found]), torch.cat([batch[0][:, 0] for batch in found]).long()
    assert weight.shape == (ROWS, 3)
    of_row = rows[3][places, None] if balanced else torch.ones(ROWS, 1)
    torch.testing.assert_close(weight, learned[places] / learned.float().mean(0) * of_row)
    if not balanced:
        torch.testing.assert_close(weight.mean(0), torch.ones(3))
