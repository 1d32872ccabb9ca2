"""Whether a quantity grows: its slope by Theil and Sen, with an interval that its blocks allow."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import median

# Of the run, before which caches fill.
_WARM_UP = 0.25
_BLOCKS = 20
# Of the normal distribution, for 99 %: nine processes or so are judged.
_Z = 2.576


@dataclass(frozen=True)
class Slope:
    """How fast a quantity grows, a unit an hour.

    Attributes:
        per_hour: the estimate.
        low, high: an interval that has the slope with a probability of 99 %.
        begin, end: the lowest value in the first block and in the last.
        hours: between these.
    """

    per_hour: float
    low: float
    high: float
    begin: float
    end: float
    hours: float

    @property
    def detectable(self) -> float:
        """The smallest slope that would be told from none."""
        return (self.high - self.low) / 2

    def grows(self, allowed: float) -> bool:
        """Whether it certainly grows, and by more than `allowed` in the run."""
        return self.low > 0 and self.per_hour * self.hours > allowed


def fit(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """The slope of `values` over `seconds`, after a warm-up.

    The lowest value of each block stands for it: what calls take and give back comes on top of it, and what is never
    given back lifts it. The slope is the median of those between all pairs of blocks (Theil 1950, Sen 1968), which a
    few odd ones do not change, and the interval is Sen's, by the variance of Kendall's tau.
    """
    first, last = seconds[0], seconds[-1]
    begin = first + _WARM_UP * (last - first)
    width = (last - begin) / _BLOCKS or 1.0
    blocks: dict[int, list[tuple[float, float]]] = {}
    for second, value in zip(seconds, values, strict=True):
        if second >= begin:
            blocks.setdefault(min(int((second - begin) / width), _BLOCKS - 1), []).append((second, value))
    lowest = (min(block, key=itemgetter(1)) for _, block in sorted(blocks.items()))
    points = [(second / 3600, value) for second, value in lowest]
    if len(points) < 3:
        return Slope(0.0, -math.inf, math.inf, points[0][1], points[-1][1], points[-1][0] - points[0][0])
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(points, 2))
    count = len(points)
    off = _Z * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = slopes[max(0, math.floor((len(slopes) - off) / 2) - 1)]
    high = slopes[min(len(slopes) - 1, math.ceil((len(slopes) + off) / 2))]
    return Slope(median(slopes), low, high, points[0][1], points[-1][1], points[-1][0] - points[0][0])
