"""Numbers as positions within bins: a piecewise-linear encoding, with which a network learns thresholds."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

BINS = 16
# One over each is a number that float32 holds in full.
_NARROWEST, _WIDEST = 2.0**-125, 2.0**125
# Quantiles of so many rows at most are looked for: more rows hardly move them.
_MOST_ROWS = 100_000


class PiecewiseLinear(nn.Module):
    """How far a number has come in each bin between quantiles of its column, from 0 (below the bin) to 1 (above it).

    The piecewise-linear encoding of Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning
    (2022), with quantiles of the training rows as bounds.

    Attributes:
        column: which column each bin is of, int64 of shape (bins,).
        lower: where each bin begins, in the column's unit, float32 of shape (bins,).
        slope: one over each bin's width, likewise.
        mean: the mean of the encoding in training, likewise; it is subtracted.
    """

    column: Tensor
    lower: Tensor
    slope: Tensor
    mean: Tensor

    def __init__(self, column: Tensor) -> None:
        """Start with bins from 0 to 1.

        Args:
            column: see the class.
        """
        super().__init__()
        self.register_buffer("column", column.clone())
        self.register_buffer("lower", torch.zeros(len(column)))
        self.register_buffer("slope", torch.ones(len(column)))
        self.register_buffer("mean", torch.zeros(len(column)))

    def fit(self, x: npt.NDArray[np.float32], missing: npt.NDArray[np.float32]) -> None:
        """Set the bins and the mean from training rows, of which `bin_columns` gave the columns.

        Args:
            x: shape (rows, features), NaN being a missing value.
            missing: what stands for a missing value, shape (features,).
        """
        bounds = [_bounds(x[:, place]) for place in dict.fromkeys(self.column.tolist())]
        self.lower.copy_(torch.from_numpy(np.concatenate([one[:-1] for one in bounds])))
        self.slope.copy_(torch.from_numpy(np.concatenate([1 / np.diff(one) for one in bounds])))
        self.mean.zero_()
        some = _some(x)
        self.mean.copy_(self(torch.from_numpy(np.where(np.isnan(some), missing, some))).double().mean(0))

    def forward(self, x: Tensor) -> Tensor:
        """The encoding, float32 of shape (batch, bins).

        Args:
            x: float32 of shape (batch, features), without missing values.
        """
        return ((x.index_select(1, self.column) - self.lower) * self.slope).clamp(0, 1) - self.mean


def bin_columns(x: npt.NDArray[np.float32]) -> Tensor:
    """The `column` of a `PiecewiseLinear` for training rows of shape (rows, features).

    A column with two values or fewer has no bins: the network sees all of it anyway.
    """
    counts = [len(_bounds(column)) - 1 for column in x.T]
    kept = [count if count > 1 else 0 for count in counts]
    return torch.arange(len(kept)).repeat_interleave(torch.tensor(kept, dtype=torch.int64))


def _bounds(column: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The bounds of the bins of a column, ascending and far enough apart to be told from each other."""
    some = _some(column)
    known: npt.NDArray[np.float32] = np.sort(some[~np.isnan(some)])
    if not len(known):
        return known
    places = np.linspace(0, len(known) - 1, BINS + 1).round().astype(np.int64)
    bounds: npt.NDArray[np.float32] = np.unique(known[places])
    with np.errstate(over="ignore"):
        # The width of each bin and its slope must be finite.
        wide = np.diff(bounds) >= _NARROWEST
        bounds = bounds[np.concatenate([[True], wide])]
        is_known = len(bounds) < 2 or bounds[-1] - bounds[0] <= _WIDEST
    return bounds if is_known else bounds[:1]


def _some(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return rows[:: -(-len(rows) // _MOST_ROWS)]
