"""How far roundings usually move an output: one number where its places are alike, others where they are not."""

import numpy as np
import pytest

from edge_export.verify.usual_errors import UsualErrors

HALF_UNIT = 2.0**-24


def drawn(sizes: np.ndarray, rows: int, draws: int = 4, seed: int = 0) -> UsualErrors:
    """Of an output of numbers of `sizes`, shape (places...), off by 1e-6 of them."""
    random = np.random.default_rng(seed)
    usual = UsualErrors((False, *[True] * sizes.ndim), HALF_UNIT)
    values = random.standard_normal((rows, *sizes.shape)) * sizes
    usual.add(values, [np.abs(1e-6 * sizes * random.standard_normal(values.shape)) for _ in range(draws)])
    return usual


@pytest.mark.parametrize(("rows", "draws"), [(1, 2), (2, 4), (500, 4)])
def test_places_that_are_alike_have_one_error(rows: int, draws: int) -> None:
    found = drawn(np.ones(1000), rows, draws).pooled()
    assert found.size == 1
    assert found.item() == pytest.approx(1e-6, rel=0.1)


@pytest.mark.parametrize(("rows", "draws"), [(2, 2), (3, 4), (500, 4)])
def test_small_numbers_beside_large_ones_have_errors_of_their_own(rows: int, draws: int) -> None:
    """Boxes and scores of a detector, whether many draws tell of them or a few."""
    sizes = np.repeat([1e4, 1e-3], [4, 80])
    found = np.broadcast_to(drawn(sizes, rows, draws).pooled(), (1, 84))[0]
    assert (found[4:] < 2e-8).all()
    assert (found[:4] > 1e-3).all()


def test_sizes_that_differ_along_two_axes() -> None:
    sizes = np.array([1e-6, 1.0, 1e6])[:, None] * np.array([1.0, 1e-4])
    found = np.broadcast_to(drawn(sizes, 100).pooled(), (1, 3, 2))[0]
    np.testing.assert_allclose(found, 1e-6 * sizes, rtol=0.3)


def test_at_least_half_a_unit_of_the_magnitude() -> None:
    usual = UsualErrors((False, True), HALF_UNIT)
    usual.add(np.full((9, 3), 100.0), [np.zeros((9, 3))])
    np.testing.assert_allclose(usual.pooled(), 100 * HALF_UNIT)


def test_what_is_not_finite_or_not_there_does_not_count() -> None:
    usual = UsualErrors((False, True), HALF_UNIT)
    usual.add(np.array([[np.nan, 1.0], [np.inf, 1.0]]), [np.array([[np.inf, 1e-6], [np.nan, 1e-6]])])
    assert np.isfinite(usual.pooled()).all()
    assert UsualErrors((False,), HALF_UNIT).pooled() == 0
    empty = UsualErrors((False, True), HALF_UNIT)
    empty.add(np.zeros((3, 0)), [np.zeros((3, 0))])
    assert empty.pooled().size <= 1
