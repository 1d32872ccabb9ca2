"""What in rows is unlike everything in the training data."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.category_codes import MISSING, UNKNOWN
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.signature import Feature, Input, Signature

# Up to so many numbers Python compares faster than numpy.
_FEW = 32

_FEW_COLUMNS = 8

_MISSING = "is missing, but never was in training"


class Novelty:
    """Finds what training never saw.

    A number or a date is new, if it is farther from the range in training than half of that range. A category is, if it
    is unknown. A missing value is, if the feature was never missing in training.
    """

    def __init__(self, signature: Signature) -> None:
        """Compare with what training saw of the features of `signature`."""
        # Most programs do not ask, so nothing is made before they do.
        self._signature = signature

    @cached_property
    def _inputs(self) -> list[tuple[str, "_Numbers | _Categories"]]:
        return [
            (tensor.name, (_Categories if tensor.holds_strings else _Dates if tensor.holds_dates else _Numbers)(tensor))
            for tensor in self._signature.inputs
        ]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {feature.name: place for place, feature in enumerate(self._signature.features)}

    def unseen(self, feed: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, str]]:
        """What in each row is new, and why.

        Args:
            feed: the model's inputs by name, each of shape (rows, features of the input).

        Returns:
            For each row, the reasons by feature, in the order of a row's values.
        """
        new = self.new(feed)
        return [new.get(row, {}) for row in range(len(feed[self._inputs[0][0]]))]

    def new(self, feed: Mapping[str, npt.NDArray[Any]]) -> dict[int, dict[str, str]]:
        """As `unseen`, for the rows in which something is new, by their places."""
        new = [one for name, tensor in self._inputs for one in tensor.new(feed[name])]
        if not new:
            return {}
        found: dict[int, dict[str, str]] = {}
        for row, feature, reason in sorted(new, key=lambda one: self._places[one[1]]):
            found.setdefault(row, {})[feature] = reason
        return found

    def counts(self, feed: Mapping[str, npt.NDArray[Any]]) -> Counter[str]:
        """In how many rows the value of each feature is new.

        Args:
            feed: as `unseen` takes it; strings may be category codes, int64.
        """
        found: Counter[str] = Counter()
        for name, tensor in self._inputs:
            found.update(tensor.counts(feed[name]))
        return found


class _Numbers:
    """The features of an input of numbers."""

    def __init__(self, tensor: Input) -> None:
        self._features = tensor.features
        self._always_there = np.array([feature.missing == 0 for feature in tensor.features])
        self._bounds: dict[np.dtype[Any], _Bounds] = {}

    def new(self, values: npt.NDArray[Any]) -> Iterator[tuple[int, str, str]]:
        """The row, the feature and the reason of each value that is new."""
        bounds = self._bounds_of(values)
        if (is_new := self._is_new(values)) is None:
            return
        for row, column in np.argwhere(is_new).tolist():
            low, high = bounds.low[column], bounds.high[column]
            yield row, self._features[column].name, _reason(float(values[row, column]), low, high, self._shown)

    def counts(self, values: npt.NDArray[Any]) -> dict[str, int]:
        """How many values of each feature are new."""
        bounds = self._bounds_of(values)
        found: dict[str, int] = {}
        # Of many columns, all at once is faster, and column by column of few.
        if len(self._features) > _FEW_COLUMNS and bounds.are_around(values):
            return found
        for place, feature in enumerate(self._features):
            column = values[:, place]
            count = np.count_nonzero(column < bounds.first[place]) + np.count_nonzero(column > bounds.last[place])
            if self._always_there[place]:
                count += np.count_nonzero(column != column)
            if count:
                found[feature.name] = int(count)
        return found

    def _is_new(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
        """Which values are new; None if none is."""
        bounds = self._bounds_of(values)
        if bounds.are_around(values):
            return None
        is_new: npt.NDArray[np.bool_] = (
            (values < bounds.lowest) | (values > bounds.highest) | (np.isnan(values) & self._always_there)
        )
        return is_new

    def _bounds_of(self, values: npt.NDArray[Any]) -> "_Bounds":
        if (bounds := self._bounds.get(values.dtype)) is None:
            bounds = self._bounds[values.dtype] = _Bounds(self._features, values.dtype)
        return bounds

    def _shown(self, value: float) -> str:
        return f"{value:.6g}"


class _Dates(_Numbers):
    """The features of an input of dates."""

    def new(self, values: npt.NDArray[Any]) -> Iterator[tuple[int, str, str]]:
        """As `_Numbers.new`."""
        return super().new(_seconds(values))

    def counts(self, values: npt.NDArray[Any]) -> dict[str, int]:
        """As `_Numbers.counts`."""
        return super().counts(_seconds(values))

    def _shown(self, value: float) -> str:
        from edge_runtime.contract.dates import date_text

        return date_text(value)


class _Categories:
    """The features of an input of strings."""

    def __init__(self, tensor: Input) -> None:
        self._features = [(feature, frozenset({"", *map(str, feature.categories)})) for feature in tensor.features]

    def new(self, values: npt.NDArray[Any]) -> Iterator[tuple[int, str, str]]:
        """As `_Numbers.new`."""
        for column, (feature, known) in enumerate(self._features):
            for row, category in enumerate(values[:, column].tolist()):
                if category not in known:
                    yield row, feature.name, f"{category!r} was not seen in training"
                elif not category and feature.missing == 0:
                    yield row, feature.name, _MISSING

    def counts(self, values: npt.NDArray[Any]) -> dict[str, int]:
        """As `_Numbers.counts`."""
        found = {}
        for column, (feature, known) in enumerate(self._features):
            if values.dtype != np.object_:
                codes = values[:, column]
                unknown, missing = (int(np.count_nonzero(codes == code)) for code in (UNKNOWN, MISSING))
            else:
                # Few of them are different.
                categories = Counter(values[:, column].tolist())
                unknown = sum(categories[category] for category in categories if category not in known)
                missing = categories[""]
            if count := unknown + (missing if feature.missing == 0 else 0):
                found[feature.name] = count
        return found


def _seconds(dates: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Dates as numbers, which hold every second of the years 1 to 9999, and NaN where they are missing."""
    return np.where(dates == np.iinfo(np.int64).min, np.nan, dates.astype(np.float64))


class _Bounds:
    """The ends of the range of each feature, NaN if they are not known; and beyond them those of what is near."""

    def __init__(self, features: tuple[Feature, ...], dtype: np.dtype[Any]) -> None:
        ends = [
            (np.nan, np.nan) if one.minimum is None or one.maximum is None else (one.minimum, one.maximum)
            for one in features
        ]
        # Rounded as the tensor rounds them, so that the only number of a constant column is within its range.
        with np.errstate(over="ignore", invalid="ignore"):
            self.low, self.high = np.array(ends).astype(dtype).astype(np.float64).T
            margin = (self.high - self.low) / 2
            # Without a range every number is near.
            self.lowest, self.highest = (
                np.where(np.isnan(bound), far, bound)
                for bound, far in ((self.low - margin, -np.inf), (self.high + margin, np.inf))
            )
        # The outermost near numbers of this type itself, with which it is compared faster.
        with np.errstate(over="ignore"):
            self.first, self.last = self.lowest.astype(dtype), self.highest.astype(dtype)
        self.first = np.where(self.first < self.lowest, np.nextafter(self.first, dtype.type(np.inf)), self.first)
        self.last = np.where(self.last > self.highest, np.nextafter(self.last, dtype.type(-np.inf)), self.last)
        self._near = list(zip(self.lowest.tolist(), self.highest.tolist(), strict=True))

    def are_around(self, values: npt.NDArray[Any]) -> bool:
        """Whether all numbers are near their ranges; NaN is not."""
        if values.size > _FEW:
            return bool(((values >= self.first) & (values <= self.last)).all())
        for row in values.tolist():
            for value, (low, high) in zip(row, self._near, strict=True):
                if not low <= value <= high:
                    return False
        return True


def _reason(value: float, low: float, high: float, shown: Callable[[float], str]) -> str:
    if value != value:
        return _MISSING
    if low == high:
        return f"{shown(value)} was not seen in training, where it always is {shown(low)}"
    side, bound = ("below", low) if value < low else ("above", high)
    return f"{shown(value)} is far {side} the {shown(bound)} seen in training"
