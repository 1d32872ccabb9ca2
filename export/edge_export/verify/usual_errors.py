"""How far roundings usually move an output: pooled over the rows, the elements and the draws of ordinary inputs.

What roundings do to an output is a property of the output, or of each of its columns or channels, and not of one
element: a few draws that happen to be small say little of one element, and much of thousands of them.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_export.tensors import Array

# The fewest samples that tell the usual error of a column or channel.
_FEWEST = 64
# Columns or channels have usual errors of their own if these differ by more than this: the variance of their natural
# logarithms.
_VARIANCE = 0.05


class UsualErrors:
    """Of one output."""

    def __init__(self, fixed: Sequence[bool], half_unit: float) -> None:
        """Take in what is known of the output.

        Args:
            fixed: for each axis of the output, whether it has a fixed size, so that places on it have a meaning.
            half_unit: half a unit in the last place of 1.0 in the output's type.
        """
        self._axes = tuple(axis for axis, is_fixed in enumerate(fixed) if not is_fixed)
        self._half_unit = half_unit
        self._values, self._moved = _Squares(), _Squares()

    def add(self, values: Array, moved: Sequence[Array]) -> None:
        """Take in what float64 gives for a call, and how far each draw of roundings moves it."""
        self._values.add(values, self._axes)
        for each in moved:
            self._moved.add(each, self._axes)

    def pooled(self) -> Array:
        """The usual error, in a shape that broadcasts to the output's; 0 if nothing was taken in.

        At least half a unit in the last place of the output's usual magnitude.
        """
        usual: Array = np.maximum(self._moved.pooled(), self._half_unit * self._values.pooled())
        return usual


class _Squares:
    """The sum of the squares of numbers at each place, and how many they are; what is not finite does not count."""

    def __init__(self) -> None:
        self._sum: Array = np.zeros(())
        self._count: npt.NDArray[np.int_] = np.zeros((), np.int_)

    def add(self, values: Array, axes: tuple[int, ...]) -> None:
        finite = np.isfinite(values)
        self._sum = self._sum + (np.where(finite, values, 0.0) ** 2).sum(axes, keepdims=True)
        self._count = self._count + finite.sum(axes, keepdims=True)

    def pooled(self) -> Array:
        """The root mean square at each place on the axis along which it differs most, or of all if it hardly does."""
        best: Array = np.sqrt(self._sum.sum(keepdims=True) / max(1, self._count.sum()))
        most = _VARIANCE
        for axis, size in enumerate(self._sum.shape):
            others = tuple(other for other in range(self._sum.ndim) if other != axis)
            count = self._count.sum(others, keepdims=True)
            fewest = int(count.min()) if count.size else 0
            if size < 2 or fewest < _FEWEST:
                continue
            found = np.sqrt(self._sum.sum(others, keepdims=True) / count)
            if not (largest := found.max()):
                continue
            logarithms = np.log(np.maximum(found, 1e-9 * largest))
            # Samples of columns that are equal differ too, by chance.
            variance = float(logarithms.var() - 2 / fewest)
            if variance > most:
                best, most = found, variance
        return best
