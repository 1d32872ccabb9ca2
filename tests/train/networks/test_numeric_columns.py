"""Columns of numbers as a network takes them, against formulas written here."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature
from edge_train.networks.numeric_columns import NumericColumns, quartiles
from edge_train.networks.piecewise_linear import PiecewiseLinear, bin_columns

NUMERIC = (
    Feature("never missing", missing=0.0),
    Feature("missing", missing=0.4),
    Feature("flag", "boolean", missing=0.0),
)


def rows(count: int) -> Any:
    random = np.random.default_rng(0)
    x = random.normal(3, 50, (count, 3)).astype(np.float32)
    x[random.random(count) < 0.4, 1] = np.nan
    x[:, 2] = random.integers(0, 2, count)
    return x


def test_numbers_are_standardised_and_missing_values_the_mean() -> None:
    x = rows(500)
    numbers = NumericColumns(NUMERIC)
    numbers.fit(x)
    found = numbers(torch.from_numpy(x)).numpy()
    assert numbers.width == found.shape[1] == 4
    missing = np.isnan(x[:, 1])
    # Clipping takes a little of what is three deviations out.
    np.testing.assert_allclose(found[:, :3].mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(found[:, [0, 2]].std(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(found[~missing, 1].std(), 1, atol=0.05)
    standard = np.linspace(-3, 3, 7)
    given = (numbers.mean[0] + torch.from_numpy(standard) * numbers.standard_deviation[0]).float()
    clipped = numbers(torch.stack([given, *[torch.ones(7)] * 2], 1))[:, 0].numpy()
    np.testing.assert_allclose(clipped, standard / np.sqrt(1 + (standard / 10) ** 2), atol=1e-4)
    assert (found[missing, 1] == 0).all()
    assert (found[:, 3] == missing).all()


def test_the_mean_is_of_numbers_clipped_to_ten_deviations_around_the_median() -> None:
    """The quartiles estimate the deviation: those of a normal distribution are 1.349 apart."""
    x = np.array([[0], [1], [2], [3], [4], [5], [6], [7], [1000]], np.float32)
    numbers = NumericColumns([Feature("x", missing=0.0)])
    numbers.fit(x)
    deviation = (6 - 2) / 1.349
    clipped = x.astype(np.float64).clip(4 - 10 * deviation, 4 + 10 * deviation)
    assert numbers.mean.item() == pytest.approx(clipped.mean(), rel=1e-6)
    assert numbers.standard_deviation.item() == pytest.approx(clipped.std(), rel=1e-6)


def test_outliers_have_little_influence() -> None:
    feature = Feature("x", missing=0.0)
    x = np.random.default_rng(0).normal(5, 2, (1000, 1)).astype(np.float32)
    clean, soiled = NumericColumns([feature]), NumericColumns([feature])
    clean.fit(x)
    x[:10] = 1e30
    soiled.fit(x)
    torch.testing.assert_close(soiled.mean, clean.mean, atol=0.3, rtol=0)
    torch.testing.assert_close(soiled.standard_deviation, clean.standard_deviation, atol=1, rtol=0)
    found = soiled(torch.tensor([[1e30], [-3e38], [torch.inf], [5.0]]))
    torch.testing.assert_close(found[:3, 0], torch.tensor([10.0, -10.0, 10.0]))
    assert abs(found[3]) < 0.2


def test_a_missing_value_without_any_in_training_is_the_mean_and_no_more() -> None:
    numbers = NumericColumns(NUMERIC)
    numbers.fit(rows(500))
    missing, mean = torch.tensor([[torch.nan, 1.0, 1.0]]), torch.tensor([[numbers.mean[0], 1.0, 1.0]])
    assert torch.equal(numbers(missing), numbers(mean))
    assert NumericColumns(NUMERIC[:1])(torch.tensor([[torch.nan]])).tolist() == [[0.0]]


def test_numbers_that_hardly_vary() -> None:
    x = np.array([[5, 0, 0.1, 1], [5, 1e-45, 0.1, 3]], np.float32)
    numbers = NumericColumns([Feature(str(place), missing=0.0) for place in range(4)])
    numbers.fit(x)
    assert numbers.standard_deviation.tolist() == [1, 1, 1, 1]
    assert numbers(torch.from_numpy(x))[:, 3].tolist() == pytest.approx([-1, 1], abs=0.01)


def test_bins_stand_behind_the_other_columns_and_a_missing_value_is_the_mean_there_too() -> None:
    x = rows(500)
    plain, numbers = NumericColumns(NUMERIC), NumericColumns(NUMERIC, bin_columns(x))
    for columns in (plain, numbers):
        columns.fit(x)
    assert (plain.width, numbers.width) == (4, 4 + 16 + 16)
    found = numbers(torch.from_numpy(x))
    assert torch.equal(found[:, :4], plain(torch.from_numpy(x)))
    encoding = PiecewiseLinear(bin_columns(x))
    encoding.fit(x, numbers.mean.numpy())
    known = np.where(np.isnan(x), numbers.mean, x).astype(np.float32)
    assert torch.equal(found[:, 4:], encoding(torch.from_numpy(known)))
    missing = torch.tensor([[torch.nan, torch.nan, torch.nan]])
    mean = torch.where(missing.isnan(), numbers.mean, missing)
    assert torch.equal(numbers(missing)[:, 4:], numbers(mean)[:, 4:])
    np.testing.assert_allclose(found[:, 4:].double().mean(0), 0, atol=1e-6)


def test_without_a_bin_there_is_no_encoding() -> None:
    x = rows(500)[:, [2, 2]]
    features = (NUMERIC[2], Feature("other flag", "boolean", missing=0.0))
    numbers = NumericColumns(features, bin_columns(x))
    numbers.fit(x)
    assert numbers.bins is None
    assert numbers.width == numbers(torch.from_numpy(x)).shape[1] == 2
    assert [*numbers.state_dict()] == ["mean", "standard_deviation"]


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=30))
def test_quartiles_are_numpys_bit_by_bit(values: list[float]) -> None:
    array = np.array(values, np.float32)
    np.testing.assert_array_equal(quartiles(array), np.percentile(array.astype(np.float64), [25, 50, 75]))
    assert array.tolist() == values
