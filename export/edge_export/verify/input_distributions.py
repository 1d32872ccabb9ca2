"""How the inputs of a program are distributed: as its training data if that is known, else as data or example.

What the user states of an input comes first, then the range in which the program looks something up. Other integers
are drawn between those that are seen in each column: what may stand in one of them may be wrong in the next. If one
integer is seen everywhere, others are drawn too.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_export.capture.lookups import HIGHEST, LOWEST, LookupRange
from edge_export.capture.program import InputTensor, Program
from edge_export.tensors import Array, Tensors
from edge_export.verify.date_draws import ordinary_dates, range_in, range_of
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, UNKNOWN, last_code
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.values import FLOAT32_MAX

# Fewer values than this say little of a mean and a standard deviation: then all elements of an input share theirs.
_FEW = 16

# What is rare in training must be among the rows that are drawn, and so must the values of a column that is nearly
# always missing.
_FEWEST_MISSING, _MOST_MISSING = 0.02, 0.5
_UNKNOWN_CATEGORIES = 0.05


@dataclass(frozen=True)
class InputDistribution:
    """How the values of one input of a program are distributed.

    Attributes:
        spec: the input.
        mean: the mean of each element, in a shape that broadcasts to the input's; for a floating input.
        standard_deviation: that of each element, likewise.
        low: the smallest value of each element, likewise; minus infinity for a number without one.
        high: the largest one, likewise.
        size: a dimension, and what to add to its size for a largest value of all elements; None if there is none.
        holds_integers: which elements of a floating input are integers, likewise.
        features: those in its columns, if they are known.
        is_kept: whether it stays the one integer that it is in the example, since the module does not take others.
    """

    spec: InputTensor
    mean: npt.NDArray[np.float64]
    standard_deviation: npt.NDArray[np.float64]
    low: Array = field(default_factory=lambda: np.array(-np.inf))
    high: Array = field(default_factory=lambda: np.array(np.inf))
    size: tuple[str, int] | None = None
    holds_integers: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros((), np.bool_))
    features: tuple[Feature, ...] = ()
    is_kept: bool = False

    @property
    def is_floating(self) -> bool:
        """Whether the input holds numbers that can be moved a little."""
        return self.spec.dtype.kind == "f"

    @property
    def holds_codes(self) -> bool:
        """Whether the input holds the codes of categories, which are strings in an artifact."""
        return any(feature.kind == "categorical" for feature in self.features)

    @property
    def holds_dates(self) -> bool:
        """Whether the input holds dates."""
        return any(feature.kind == "date" for feature in self.features)

    @property
    def missing_value(self) -> float:
        """The number that stands for a missing value."""
        return np.nan if self.is_floating else MISSING_DATE if self.holds_dates else MISSING

    @property
    def has_range(self) -> npt.NDArray[np.bool_]:
        """Which elements have a smallest and a largest value."""
        return np.isfinite(self.low) & np.isfinite(self.high)

    @property
    def columns(self) -> int:
        """How many places on the last axis differ in what they may hold; 0 if all may hold the same."""
        return self.low.shape[-1] if self.low.ndim and self.low.shape[-1] > 1 else 0

    def highest(self, sizes: Mapping[str, int]) -> Array:
        """`high`, in a call with these sizes of dimensions."""
        return self.high if self.size is None else np.minimum(self.high, sizes[self.size[0]] + self.size[1])

    @cached_property
    def missing_fractions(self) -> npt.NDArray[np.float64]:
        """The fraction of ordinary rows in which each column is missing, shape (features,)."""
        fractions = np.array([feature.missing or 0.0 for feature in self.features])
        return np.where(fractions > 0, fractions.clip(_FEWEST_MISSING, _MOST_MISSING), 0.0)

    def draw(self, random: np.random.Generator, sizes: Mapping[str, int], width: float = 1.0) -> npt.NDArray[Any]:
        """One tensor with the given size of each dimension, without missing values.

        Numbers are normal with `width` times the standard deviation; integers, booleans and numbers within a range are
        uniform. Some categories are unknown ones, and some dates are a little beyond their range.
        """
        shape = [size if isinstance(size, int) else sizes[size] for size in self.spec.shape]
        if self.holds_codes:
            codes = random.integers(FIRST_CATEGORY, self.high + 1, shape)
            return np.where(random.random(shape) < _UNKNOWN_CATEGORIES, UNKNOWN, codes)
        if self.holds_dates:
            return ordinary_dates(random, shape, self.low, self.high)
        if not self.is_floating:
            high = np.maximum(self.low, self.highest(sizes))
            return np.asarray(random.integers(self.low, high, shape, endpoint=True), dtype=self.spec.dtype)
        values = self.mean + width * self.standard_deviation * random.standard_normal(shape)
        if self.has_range.any():
            low, high = (np.where(self.has_range, bound, 0.0) for bound in (self.low, self.high))
            within = low + (high - low) * random.random(shape)
            # As many numbers are cut to the largest integer as to each other one.
            integers = np.minimum(np.floor(low + (high + 1 - low) * random.random(shape)), high)
            values = np.where(self.holds_integers, integers, np.where(self.has_range, within, values))
        largest = min(FLOAT32_MAX, float(np.finfo(self.spec.dtype).max))
        values = np.asarray(np.clip(values, -largest, largest), dtype=self.spec.dtype)
        if booleans := [column for column, feature in enumerate(self.features) if feature.kind == "boolean"]:
            values[:, booleans] = values[:, booleans] > 0.5
        return values


def input_distributions(
    program: Program,
    data: Tensors | None = None,
    lookups: Mapping[str, LookupRange] | None = None,
    stated: Mapping[str, tuple[Array, Array]] | None = None,
) -> dict[str, InputDistribution]:
    """The distribution of each input of `program`: that of `data`, else as training noted it, else of the example.

    Args:
        program: the program.
        data: rows like those that it will meet, if there are any.
        lookups: the ranges of inputs that it looks something up at.
        stated: the smallest and largest value of inputs that the user states, each of a shape that broadcasts to the
            input's.
    """
    tensors = {} if program.table is None else {tensor.name: tensor for tensor in program.table.inputs}
    found = {}
    for spec in program.inputs:
        values = None if data is None else data[spec.name]
        if spec.name in tensors:
            known = _described(program, spec, tensors[spec.name].features, values)
        else:
            known = _observed(spec, values if values is not None else program.example[spec.name])
            if values is None and not known.is_floating and spec.name not in {**(lookups or {}), **(stated or {})}:
                known = _widened(program, known)
        if not known.holds_codes:
            if lookups is not None and spec.name in lookups:
                known = _looked_up(known, lookups[spec.name])
            if stated is not None and spec.name in stated:
                known = _within(known, *stated[spec.name])
        found[spec.name] = known
    return found


def _looked_up(known: InputDistribution, lookup: LookupRange) -> InputDistribution:
    """`known` with the range of a lookup, where that has a smallest and a largest value."""
    low = np.where(lookup.low > LOWEST, lookup.low, known.low)
    high = np.where(lookup.high < HIGHEST, lookup.high, known.high)
    if not known.is_floating:
        limits = np.iinfo(known.spec.dtype)
        low, high = low.clip(limits.min, limits.max), high.clip(limits.min, limits.max)
        if lookup.size is not None:
            high = np.full_like(high, limits.max)  # that of the size is smaller
        # What was seen on one side may be beyond the bound of the other.
        return replace(known, low=np.minimum(low, high), high=np.maximum(low, high), size=lookup.size)
    both = np.isfinite(low) & np.isfinite(high)
    return _within(replace(known, holds_integers=both), np.where(both, low, -np.inf), np.where(both, high, np.inf))


def _within(known: InputDistribution, low: Array, high: Array) -> InputDistribution:
    """`known` between `low` and `high`."""
    if not known.is_floating:
        return replace(known, low=low, high=high, size=None)
    both = np.isfinite(low) & np.isfinite(high)
    first, last = np.where(both, low, 0.0), np.where(both, high, 0.0)
    middle = first + (last - first) / 2
    return replace(
        known,
        low=low,
        high=high,
        mean=np.where(both, np.where(known.holds_integers, np.floor(middle), middle), known.mean),
        # That of a uniform distribution.
        standard_deviation=np.where(last > first, (last - first) / np.sqrt(12), known.standard_deviation),
    )


def _described(
    program: Program, spec: InputTensor, features: tuple[Feature, ...], data: npt.NDArray[Any] | None
) -> InputDistribution:
    """The distribution of an input that a signature describes."""
    if any(feature.kind == "date" for feature in features):
        ranges = list(map(range_of, features)) if data is None else range_in(data, features)
        first, last = np.array(ranges, np.int64).T
        return InputDistribution(spec, np.zeros(()), np.zeros(()), first, last, features=features)
    if spec.dtype.kind != "f":
        last = np.array([last_code(feature) for feature in features])
        return InputDistribution(spec, np.zeros(()), np.zeros(()), np.zeros_like(last), last, features=features)
    if data is not None and len(data) >= _FEW:
        return replace(_observed(spec, data), features=features)
    return InputDistribution(spec, *_known_moments(program, features), features=features)


def _known_moments(
    program: Program, features: tuple[Feature, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of each feature in training, if module or signature know them; else 0 and 1."""
    if callable(known := getattr(program.module, "mean_and_standard_deviation", None)):
        mean, deviation = (np.asarray(values, np.float64) for values in known())
        return mean, np.where(deviation > 0, deviation, 1.0)
    moments = [
        (0.5, 0.5)
        if feature.kind == "boolean"
        else (0.0, 1.0)
        if feature.minimum is None or feature.maximum is None
        # A normal distribution keeps 95 % of its rows within two standard deviations.
        else ((feature.minimum + feature.maximum) / 2, (feature.maximum - feature.minimum) / 4)
        for feature in features
    ]
    means, deviations = zip(*moments, strict=True)
    return np.array(means), np.array(deviations)


def _observed(spec: InputTensor, values: Array) -> InputDistribution:
    """The distribution of `values`, which are some for the input `spec`."""
    nothing = np.zeros(())
    if spec.dtype.kind == "b":
        return InputDistribution(spec, nothing, nothing, np.array(0), np.array(1))
    changing = tuple(axis for axis, size in enumerate(spec.shape) if isinstance(size, str))
    is_few = np.prod([values.shape[axis] for axis in changing]) < _FEW
    if spec.dtype.kind != "f":
        low, high = values.min(axis=changing, keepdims=True), values.max(axis=changing, keepdims=True)
        return InputDistribution(spec, nothing, nothing, low, high)
    finite = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    if is_few:
        changing = tuple(range(values.ndim))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about a column without a number
        mean = np.nan_to_num(np.nanmean(finite, axis=changing, keepdims=True))
        deviation = np.nan_to_num(np.nanstd(finite, axis=changing, keepdims=True))
    return InputDistribution(spec, mean, np.where(deviation > 0, deviation, 1.0))


def _widened(program: Program, known: InputDistribution) -> InputDistribution:
    """`known`, of integers of which the example shows little, between the ends of more if the module takes these.

    Few values of a column say little, and those of the other columns may be wrong in it. One value that is everywhere,
    as in a mask of ones, says nothing: all bytes are tried then, or 0 and 1 beside it.
    """
    low, high = int(known.low.min()), int(known.high.max())
    example = program.example[known.spec.name]
    is_constant = known.spec.dtype.kind in "iu" and low == high
    if is_constant:
        low, high = (0, 255) if known.spec.dtype == np.uint8 else (min(low, 0), max(high, 1))
    elif example.size // known.low.size >= _FEW:
        return known
    mixed = np.where(np.arange(example.size).reshape(example.shape) % 2, low, high).astype(example.dtype)
    calls = (np.full_like(mixed, low), np.full_like(mixed, high), mixed)
    if any(program.failure({**program.example, known.spec.name: values}) is not None for values in calls):
        return replace(known, is_kept=is_constant)
    return replace(known, low=np.full_like(known.low, low), high=np.full_like(known.high, high))
