"""Numbers as positions within bins, against a formula written here."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_train.networks import piecewise_linear
from edge_train.networks.piecewise_linear import BINS, PiecewiseLinear, bin_columns

LARGEST = float(np.finfo(np.float32).max)
# All of float32, with denormal numbers; many are alike, very close to each other, or very far apart.
NUMBERS = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 1.0 + 2**-23, 1e-45, -1e-45, 2**-126, 1e38, LARGEST, -LARGEST]),
    st.integers(-3, 3).map(float),
)
COLUMNS = st.lists(NUMBERS, min_size=1, max_size=60)


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def fitted(x: np.ndarray, mean: Any = None) -> PiecewiseLinear:
    encoding = PiecewiseLinear(bin_columns(x))
    encoding.fit(x, np.nanmean(x.astype(np.float64), 0).astype(np.float32) if mean is None else mean)
    return encoding


def positions(bounds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far each value has come in each bin, from 0 to 1, of shape (values, bins), in float64."""
    return np.array(
        [
            [
                0.0 if value <= low else 1.0 if value >= high else (value - low) / (high - low)
                for low, high in itertools.pairwise(bounds)
            ]
            for value in values
        ]
    )


def test_bins_end_at_quantiles_and_their_mean_is_subtracted() -> None:
    random = np.random.default_rng(0)
    # As many rows as put each bound upon one of them.
    x = random.lognormal(size=(16 * 40 + 1, 2)).astype(np.float32)
    encoding = fitted(x)
    assert BINS == 16
    assert encoding.column.tolist() == [0] * 16 + [1] * 16
    others = random.lognormal(size=(200, 2)).astype(np.float32)
    found = encoding(torch.from_numpy(others)).numpy()
    expected = []
    for place in range(2):
        bounds = np.quantile(x[:, place].astype(np.float64), np.linspace(0, 1, 17))
        expected.append(positions(bounds, others[:, place]) - positions(bounds, x[:, place]).mean(0))
    np.testing.assert_allclose(found, np.concatenate(expected, 1), atol=1e-5)
    np.testing.assert_allclose(encoding(torch.from_numpy(x)).double().mean(0), 0, atol=1e-6)


def test_each_row_is_seen_between_the_bounds_it_lies_between() -> None:
    x = column(0, 1, 4)
    encoding = fitted(x)
    assert encoding.column.tolist() == [0, 0]
    encoding.mean.zero_()
    found = encoding(torch.tensor([[-1.0], [0.25], [1.0], [2.5], [4.0], [9.0], [torch.inf], [-torch.inf]]))
    assert found.tolist() == [[0, 0], [0.25, 0], [1, 0], [1, 0.5], [1, 1], [1, 1], [1, 1], [0, 0]]


def test_before_it_is_fitted_a_bin_is_from_0_to_1() -> None:
    encoding = PiecewiseLinear(torch.tensor([0, 1]))
    assert encoding(torch.tensor([[0.25, 3.0]])).tolist() == [[0.25, 1.0]]


@pytest.mark.parametrize(
    "values",
    [
        [5.0],
        [0.0, 1.0] * 20,
        [0.0, 1.0, np.nan],
        [np.nan, np.nan],
        [-LARGEST, 0.0, LARGEST],
        [0.0, 1e-45, 2e-45, 3e-45],
        [0.0, 1.0] + [0.0] * 1000,
    ],
)
def test_columns_without_bins(values: list[float]) -> None:
    """Two values or fewer; too close to each other, or too far apart, for float32."""
    assert bin_columns(column(*values)).tolist() == []


def test_each_column_has_the_bins_that_it_needs() -> None:
    x = np.stack([np.arange(40), np.arange(40) % 2, np.arange(40) % 4, np.full(40, 7), np.arange(40) % 3], 1)
    assert bin_columns(x.astype(np.float32)).tolist() == [0] * 16 + [2] * 3 + [4] * 2
    encoding = fitted(x.astype(np.float32))
    encoding.mean.zero_()
    assert encoding(torch.tensor([[39.0, 0, 0, 0, 1]])).tolist() == [[1] * 16 + [0] * 3 + [1, 0]]


def test_missing_values_are_held_out_of_the_bounds_and_count_as_what_stands_for_them_in_the_mean() -> None:
    x = column(0, np.nan, 1, 4, np.nan)
    encoding = fitted(x, np.array([2.5], np.float32))
    assert encoding.lower.tolist() == [0, 1]
    assert encoding.slope.tolist() == pytest.approx([1, 1 / 3])
    np.testing.assert_allclose(encoding.mean, [(0 + 1 + 1 + 1 + 1) / 5, (0 + 0.5 + 0 + 1 + 0.5) / 5], rtol=1e-6)


def test_of_many_rows_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piecewise_linear, "_MOST_ROWS", 100)
    x = np.random.default_rng(0).normal(size=(1001, 1)).astype(np.float32)
    some = x[::11]
    found, expected = fitted(x), fitted(some)
    assert found.column.tolist() == expected.column.tolist() == [0] * 16
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


@given(COLUMNS, st.lists(NUMBERS, min_size=1, max_size=20))
def test_it_is_finite_and_grows_with_the_number_from_0_to_1(values: list[float], others: list[float]) -> None:
    x = column(*values)
    bins = bin_columns(x)
    assert len(bins) != 1
    assert len(bins) < max(2, min(BINS + 1, len(set(values))))
    if not len(bins):
        return
    encoding = fitted(x)
    assert (encoding.slope > 0).all()
    for value in encoding.state_dict().values():
        assert value.isfinite().all()
    given_values = torch.from_numpy(np.sort(np.array([*values, *others], np.float32))[:, None])
    found = encoding(given_values)
    assert found.isfinite().all()
    encoding.mean.zero_()
    found = encoding(given_values)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found.diff(dim=0) >= 0).all()
    # Below the last bin all bins before are full, and above the first all behind are empty.
    assert (found.diff(dim=1) <= 1e-6).all()
    assert found[given_values[:, 0] <= encoding.lower[0]].eq(0).all()
    high = encoding(torch.tensor([[np.inf], [LARGEST]]))
    assert (high[0] == 1).all()
    assert found[given_values[:, 0] >= max(values)].min() >= 1 - 1e-6


@given(COLUMNS.filter(lambda values: len(set(values)) > 2), st.data())
def test_the_encoding_is_the_formula(values: list[float], data: st.DataObject) -> None:
    x = column(*values)
    if not len(bin_columns(x)):
        return
    encoding = fitted(x)
    known = x[:, 0].astype(np.float64)
    bounds = np.append(encoding.lower.double(), known.max())
    assert bounds[0] == known.min()
    assert set(bounds) <= set(known)
    value = np.float32(data.draw(st.floats(float(bounds[0]), float(bounds[-1]), width=32)))
    encoding.mean.zero_()
    found = encoding(torch.tensor([[value]])).numpy()
    widths = 1 / encoding.slope.double().numpy()
    expected = ((np.float64(value) - bounds[:-1]) / widths).clip(0, 1)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    # A bin ends where the next one begins.
    np.testing.assert_allclose(bounds[:-1] + widths, bounds[1:], rtol=0, atol=1e-6 * np.abs(bounds).max() + 1e-37)
