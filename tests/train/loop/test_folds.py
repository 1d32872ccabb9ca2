"""Which rows each member holds out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_train.loop.folds import rows_learned


def targets(classes: int, rows: int, seed: int = 0) -> Any:
    """Classes, of which the last are rare, or values."""
    random = np.random.default_rng(seed)
    if not classes:
        return random.normal(size=rows).astype(np.float32)
    places = np.minimum(random.geometric(0.5, rows) - 1, classes - 1)
    return places.astype(np.float32) if classes == 2 else places


@pytest.mark.parametrize("members", [2, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("classes", [0, 2, 5])
def test_with_a_fraction_of_one_over_the_members_each_row_is_held_out_once(classes: int, members: int) -> None:
    target = targets(classes, 2003)
    for seed in range(5):
        held_out = ~rows_learned(target, classes, members, 1 / members, seed)
        # A class of so few rows that a member would learn from none is held out less often.
        rare = np.isin(target, [one for one in np.unique(target) if classes and (target == one).sum() < 2 * members])
        assert (held_out.sum(1)[~rare] == 1).all()
        assert (held_out.sum(1)[rare] <= 1).all()


@pytest.mark.parametrize("members", [1, 2, 5])
@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("classes", [0, 2, 4])
def test_each_member_leaves_out_the_fraction_of_each_class(classes: int, fraction: float, members: int) -> None:
    target = targets(classes, 3000)
    learned = rows_learned(target, classes, members, fraction, 3)
    assert learned.shape == (3000, members)
    assert learned.dtype == bool
    groups = [target == one for one in range(classes)] or [np.ones(3000, bool)]
    for group in groups:
        count = group.sum()
        # Evenly, and not as chance would have it: within a few rows however many there are.
        assert np.abs((~learned[group]).sum(0) - fraction * count).max() <= 4
    # However often rows are held out, they are so as evenly as can be.
    times = (~learned).sum(1)
    assert times.max() - times.min() <= 1 or fraction == 0.9


def test_members_and_seeds_leave_out_other_rows() -> None:
    target = targets(2, 500)
    learned = rows_learned(target, 2, 5, 0.2, 0)
    assert len({tuple(one) for one in learned.T}) == 5
    assert np.array_equal(learned, rows_learned(target, 2, 5, 0.2, 0))
    assert not np.array_equal(learned, rows_learned(target, 2, 5, 0.2, 1))


def test_rows_are_held_out_wherever_they_stand_in_the_table() -> None:
    """Also if the table is ordered by what is to be predicted."""
    for target, classes in ((np.arange(1000, dtype=np.float32), 0), (np.arange(1000) // 500, 2)):
        held_out = ~rows_learned(target, classes, 1, 0.2, 0)[:, 0]
        for part in np.split(held_out, 10):
            assert 5 <= part.sum() <= 40


@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("classes", [0, 3])
def test_without_a_fraction_all_learn_from_all(classes: int, members: int) -> None:
    assert rows_learned(targets(classes, 50), classes, members, 0.0, 0).all()


@given(
    st.integers(1, 200),
    st.integers(1, 12),
    st.floats(0, 0.999),
    st.integers(0, 2**32),
    st.sampled_from([0, 2, 3, 20]),
)
def test_each_member_learns_from_a_row_of_each_class(
    rows: int, members: int, fraction: float, seed: int, classes: int
) -> None:
    target = targets(classes, rows, seed)
    learned = rows_learned(target, classes, members, fraction, seed)
    for group in [target == one for one in range(classes)] or [np.ones(rows, bool)]:
        if group.any():
            assert learned[group].any(0).all()
    if fraction == 0:
        assert learned.all()
