"""How far roundings usually move an output: pooled over the rows, the elements and the draws of ordinary inputs.

What roundings do to an output is a property of the output, or of each of its columns or channels, and not of one
element: a few draws that happen to be small say little of one element, and much of thousands of them.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_export.tensors import Array

# Places on an axis have usual errors of their own if they differ by more than this, as the variance of their natural
# logarithms, and so many draws tell of each.
_VARIANCE, _FEWEST_DRAWS = 0.05, 64
# With fewer draws they are told by the magnitudes of the output there, if these differ by this much.
_OF_MAGNITUDES, _FEWEST_VALUES = 1.0, 2


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
        magnitudes = self._values.sizes(_FEWEST_VALUES, _OF_MAGNITUDES)
        sizes = self._moved.sizes(_FEWEST_DRAWS, _VARIANCE)
        if sizes.size == 1:
            sizes = magnitudes
        usual: Array = np.maximum(self._moved.pooled(sizes), self._half_unit * self._values.pooled(magnitudes))
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

    def sizes(self, fewest: int, variance: float) -> Array:
        """How large the numbers at each place are beside those at others: a factor for each axis that they differ on.

        Args:
            fewest: the fewest numbers that tell of a place on an axis.
            variance: by how much these must differ: the variance of their natural logarithms.
        """
        found: Array = np.ones([1] * self._sum.ndim)
        if not self._sum.size:
            return found
        by_axis = [(self._along(axis, found), axis) for axis in range(self._sum.ndim)]
        for _, axis in sorted(by_axis, key=lambda known: -known[0].var()):
            logarithms = self._along(axis, found)
            count = self._count.sum(tuple(other for other in range(self._sum.ndim) if other != axis))
            # Samples of places that are equal differ too, by chance.
            if count.min() >= fewest and logarithms.var() - 2 / count.min() > variance:
                found = found * np.exp(logarithms - logarithms.mean())
        return found

    def pooled(self, sizes: Array) -> Array:
        """The root mean square of the numbers as multiples of `sizes`, times these."""
        pooled: Array = np.sqrt((self._sum / sizes**2).sum() / max(1, self._count.sum())) * sizes
        return pooled

    def _along(self, axis: int, sizes: Array) -> Array:
        """The natural logarithms of the root mean squares of the numbers as multiples of `sizes`, along one axis."""
        others = tuple(other for other in range(self._sum.ndim) if other != axis)
        count = np.maximum(1, self._count.sum(others, keepdims=True))
        found = np.sqrt((self._sum / sizes**2).sum(others, keepdims=True) / count)
        largest = found.max(initial=0.0)
        return np.log(np.maximum(found, 1e-30 * largest)) if largest else np.zeros(found.shape)
