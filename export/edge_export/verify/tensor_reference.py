"""What torch computes for one output of one call, and how far from it an exported model may be."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edge_export.tensors import Array
from edge_runtime.verification import distance

MULTIPLE = 8.0


@dataclass(frozen=True)
class TensorReference:
    """What torch computes for one output of one call; all arrays have the output's shape.

    Attributes:
        float32: what the module computes as it is.
        float64: what it computes in float64; for integers and booleans, what they then are.
        sensitivity: how far `float64` moves under random roundings, 0 if none were drawn; for integers and booleans,
            infinity if they change under larger roundings, else 0.
        usual: how far roundings usually move the output; broadcastable to its shape.
        unexplained: where torch is farther off than roundings explain: a number on the way overflowed, or the captured
            graph is not what the module does; broadcastable to the output's shape.
        finite_only: whether elements that are not finite in float32 or in float64 are excluded.
    """

    float32: Array
    float64: Array
    sensitivity: Array
    usual: Array
    unexplained: npt.NDArray[np.bool_]
    finite_only: bool

    @property
    def is_discrete(self) -> bool:
        """Whether the output holds integers or booleans."""
        return bool(self.float32.dtype.kind != "f")

    @property
    def is_finite(self) -> npt.NDArray[np.bool_]:
        """Whether both float32 and float64 give a finite number."""
        return np.isfinite(self.float32) & np.isfinite(self.float64)

    @property
    def resolution(self) -> Array:
        """What float32 can resolve of each element, as far as the program alone determines it."""
        if self.is_discrete:
            return self.sensitivity
        half_unit = float(np.finfo(self.float32.dtype).eps) / 2
        size = np.where(np.isfinite(self.float64), np.abs(self.float64), 0.0)
        return np.maximum(self.usual, np.maximum(self.sensitivity, half_unit * size))

    @cached_property
    def torch_errors(self) -> Array:
        """The error of torch float32 against float64; NaN if either is NaN, 0 if both are the same infinity."""
        unknown = np.isnan(self.float32) | np.isnan(self.float64)
        return np.where(unknown, np.nan, distance(self.float32, self.float64))

    @cached_property
    def trusted(self) -> npt.NDArray[np.bool_]:
        """Whether float64 is the reference: torch float32 is off from it by no more than roundings."""
        return np.isfinite(self.torch_errors) & ~self.unexplained

    @cached_property
    def expected(self) -> Array:
        """What an exported model must compute."""
        return np.where(self.trusted, self.float64, self.float32)

    @cached_property
    def tolerance(self) -> Array:
        """How far from `expected` it may be; infinity for an excluded element."""
        if self.is_discrete:
            return self.sensitivity
        own = np.where(self.trusted, self.torch_errors, 0.0)
        usual, largest = self._torch_errors_of_rows(own)
        tolerance = np.maximum(MULTIPLE * np.maximum(np.maximum(self.resolution, own), usual), largest)
        return np.where(self.is_finite, tolerance, np.inf) if self.finite_only else tolerance

    def _torch_errors_of_rows(self, own: Array) -> tuple[Array, Array]:
        """Torch's usual error in each row and its largest one, where all of the row is trusted; 0 elsewhere.

        In proportion to what is usual at each place, so that a large number beside a small one widens nothing.
        """
        axes = tuple(range(min(1, own.ndim), own.ndim))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Squared they stay below float64's largest number.
            ratios = np.minimum(np.where(self.usual > 0, own / self.usual, 0.0), 1e150)
        ratios *= self.trusted.all(axes, keepdims=True)
        usual = np.sqrt(np.mean(ratios**2, axes, keepdims=True)) if own.size else ratios
        return usual * self.usual, ratios.max(axes, keepdims=True, initial=0.0) * self.usual
