"""Vectors of categories, one-hot or learned by each member, against formulas written here."""

import numpy as np
import pytest
import torch

from edge_runtime import Feature
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, UNKNOWN
from edge_train.networks.category_embedding import ONE_HOT, CategoryEmbedding


def feature(count: int, missing: float = 0.0) -> Feature:
    return Feature("c", "categorical", missing=missing, categories=tuple(map(str, range(count))))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("count", [1, ONE_HOT, ONE_HOT + 1, 40, 1000])
def test_few_categories_are_one_hot_and_many_are_embedded(count: int, members: int) -> None:
    categories = CategoryEmbedding(feature(count), members)
    found = categories(torch.arange(FIRST_CATEGORY, FIRST_CATEGORY + count))
    assert categories.is_learned == (count > ONE_HOT)
    if count <= ONE_HOT:
        # The same for all members.
        assert torch.equal(found, torch.eye(count))
        assert not list(categories.parameters())
    else:
        assert found.shape == (members, count, categories.width)
        assert categories.width < count
        assert torch.equal(found, categories.weight)
        assert len({tuple(weight.flatten().tolist()) for weight in categories.weight}) == members


@pytest.mark.parametrize(("count", "width"), [(8, 8), (9, 7), (100, 14), (1000, 32), (10**5, 32)])
def test_the_length_of_a_vector_grows_with_the_categories_up_to_a_limit(count: int, width: int) -> None:
    embedding = CategoryEmbedding(feature(count), 2)
    shape = (2, count, width) if count > ONE_HOT else (count, width)
    assert (embedding.width, embedding.weight.shape) == (width, shape)
    if count > ONE_HOT:
        for lengths in embedding.weight.norm(dim=2):
            assert lengths.square().mean().item() == pytest.approx(1, abs=0.4)


def test_a_length_that_is_given() -> None:
    given = CategoryEmbedding(feature(4), 3, 2)
    assert (given.width, given.weight.shape, given.is_learned) == (2, (3, 4, 2), True)


def fitted(count: int, missing: float) -> tuple[CategoryEmbedding, np.ndarray]:
    """With the codes of its training rows: of some categories, and of some more often than of others."""
    first = MISSING if missing else FIRST_CATEGORY
    codes = np.random.default_rng(0).integers(first, FIRST_CATEGORY + count, 500) ** 2 % (FIRST_CATEGORY + count)
    codes = codes[codes >= first]
    categories = CategoryEmbedding(feature(count, missing), 2)
    categories.fit(codes)
    return categories, codes


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize("count", [3, 30])
def test_an_unknown_category_is_the_weighted_mean(count: int, missing: float) -> None:
    categories, codes = fitted(count, missing)
    mean = categories(torch.from_numpy(codes)).mean(-2)
    unknown, missing_value = categories(torch.tensor([UNKNOWN, MISSING])).unbind(-2)
    torch.testing.assert_close(unknown, mean)
    assert torch.equal(missing_value, unknown) == (not missing)


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize("count", [3, 30])
def test_categories_that_were_not_seen_become_unknown_ones(count: int, missing: float) -> None:
    categories, codes = fitted(count, missing)
    every = torch.arange(FIRST_CATEGORY + count)
    before = categories(every)
    categories.forget_unseen()
    after = categories(every)
    seen = np.isin(every, codes)
    assert 0 < seen.sum() < len(seen)
    assert torch.equal(after[..., seen, :], before[..., seen, :])
    unknown = before[..., UNKNOWN, :]
    for code in np.flatnonzero(~seen):
        torch.testing.assert_close(after[..., code, :], unknown)


def test_if_all_were_seen_none_is_forgotten() -> None:
    categories = CategoryEmbedding(feature(30), 2)
    categories.fit(np.arange(FIRST_CATEGORY, FIRST_CATEGORY + 30))
    before = categories.weight.detach().clone()
    categories.forget_unseen()
    assert torch.equal(categories.weight, before)
