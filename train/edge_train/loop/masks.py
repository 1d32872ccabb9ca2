"""Dropout masks, drawn for many rows at once."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# A value is kept if 16 random bits are below a limit: four values for each 64-bit word, and many times as fast as
# torch's bernoulli_.
_VALUES = 2**16


class Masks:
    """The masks of an epoch; the same seed and the same calls give the same masks, on any device."""

    def __init__(self, widths: Sequence[int], dropout: float, seed: int) -> None:
        """Draw masks for layers of `widths`.

        Args:
            widths: of the layers; none for no masks.
            dropout: the fraction of values that are dropped, from 0 to below 1; it is rounded to 16 bits.
            seed: any integer.
        """
        self._widths = tuple(widths)
        self._kept = max(1, round((1 - dropout) * _VALUES))
        self._words = np.random.SFC64(seed % 2**64)

    def draw(self, rows: int, device: torch.device) -> list[Tensor]:
        """What the values of each layer are multiplied by: 0, or what keeps their mean, float32 of (rows, width)."""
        return [self._mask(rows, width).to(device).float().mul_(_VALUES / self._kept) for width in self._widths]

    def _mask(self, rows: int, width: int) -> Tensor:
        bits = self._words.random_raw(-(-rows * width // 4)).view(np.uint16)[: rows * width]
        return torch.from_numpy((bits < self._kept).reshape(rows, width))
