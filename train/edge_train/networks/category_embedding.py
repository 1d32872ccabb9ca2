"""Categories as vectors: one-hot for few of them, learned for many."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING
from edge_runtime.contract.signature import Feature

# Up to so many categories are one-hot encoded; more are embedded in fewer dimensions, which are learned.
ONE_HOT = 8
_WIDEST = 32


class CategoryEmbedding(nn.Module):
    """A vector for each category of one column: one-hot for few categories, learned by each member for many.

    An unknown category has the mean of all vectors, weighted by their frequency in training, and so has a missing value
    if there was none in training.

    Attributes:
        weight: the vectors, before them that of a missing value if there were any in training: float32 of shape
            (categories, width) if they are one-hot, else of shape (members, categories, width).
        frequency: the fraction of the training rows that have each of them, float32 of shape (categories,).
        width: the length of a vector.
        is_learned: whether `weight` is a parameter.
    """

    frequency: Tensor
    weight: Tensor

    def __init__(self, feature: Feature, members: int = 1, width: int | None = None) -> None:
        """Start with vectors for the categories of `feature`, of length `width` or as suits their number."""
        super().__init__()
        self.embeds_missing = bool(feature.missing)
        count = len(feature.categories) + self.embeds_missing
        self.width = width or (count if count <= ONE_HOT else min(_WIDEST, 4 + round(count**0.5)))
        self.is_learned = self.width != count
        if self.is_learned:
            self.weight = nn.Parameter(torch.randn(members, count, self.width) * self.width**-0.5)
        else:
            self.register_buffer("weight", torch.eye(count))
        self.register_buffer("frequency", torch.full((count,), 1 / count))

    def fit(self, codes: npt.NDArray[np.int64]) -> None:
        """Set the frequencies from the category codes of training rows, shape (rows,)."""
        first = MISSING if self.embeds_missing else FIRST_CATEGORY
        counts = np.bincount(codes, minlength=first + len(self.frequency))[first:]
        self.frequency.copy_(torch.from_numpy(counts / counts.sum()))

    def forget_unseen(self) -> None:
        """Give categories that were in no row of `fit` the vector of an unknown one."""
        with torch.no_grad():
            self.weight[..., self.frequency == 0, :] = torch.matmul(self.frequency, self.weight)[..., None, :]

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of category codes, int64 of shape (batch,).

        Returns:
            Float32 of shape (batch, width) if they are one-hot, else of shape (members, batch, width).
        """
        if self.is_learned:
            return self._all(torch.matmul(self.frequency, self.weight)[:, None]).index_select(1, codes)
        return functional.embedding(codes, self._all(self.frequency[None] @ self.weight))

    def _all(self, unknown: Tensor) -> Tensor:
        """The vector of each code."""
        return torch.cat([unknown, self.weight] if self.embeds_missing else [unknown, unknown, self.weight], -2)
