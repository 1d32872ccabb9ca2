"""How the inputs of a program are distributed: as its training data if that is known, else as data or example."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import InputTensor, Program
from edge_export.tensors import Tensors
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, UNKNOWN, last_code
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
        low: the smallest value of an input of integers or booleans; of each column if these are category codes.
        high: the largest one, likewise.
        features: those in its columns, if they are known.
    """

    spec: InputTensor
    mean: npt.NDArray[np.float64]
    standard_deviation: npt.NDArray[np.float64]
    low: int | npt.NDArray[np.int64] = 0
    high: int | npt.NDArray[np.int64] = 1
    features: tuple[Feature, ...] = ()

    @property
    def is_floating(self) -> bool:
        """Whether the input holds numbers that can be moved a little."""
        return self.spec.dtype.kind == "f"

    @property
    def holds_codes(self) -> bool:
        """Whether the input holds the codes of categories, which are strings in an artifact."""
        return bool(self.features) and not self.is_floating

    @property
    def missing_value(self) -> float:
        """The number that stands for a missing value."""
        return np.nan if self.is_floating else MISSING

    @cached_property
    def missing_fractions(self) -> npt.NDArray[np.float64]:
        """The fraction of ordinary rows in which each column is missing, shape (features,)."""
        fractions = np.array([feature.missing or 0.0 for feature in self.features])
        return np.where(fractions > 0, fractions.clip(_FEWEST_MISSING, _MOST_MISSING), 0.0)

    def draw(self, random: np.random.Generator, sizes: Mapping[str, int], width: float = 1.0) -> npt.NDArray[Any]:
        """One tensor with the given size of each dimension, without missing values.

        Numbers are normal with `width` times the standard deviation, integers and booleans uniform. Some categories are
        unknown ones.
        """
        shape = [size if isinstance(size, int) else sizes[size] for size in self.spec.shape]
        if self.holds_codes:
            codes = random.integers(FIRST_CATEGORY, np.asarray(self.high) + 1, shape)
            return np.where(random.random(shape) < _UNKNOWN_CATEGORIES, UNKNOWN, codes)
        if not self.is_floating:
            return np.asarray(random.integers(self.low, self.high, shape, endpoint=True), dtype=self.spec.dtype)
        values = self.mean + width * self.standard_deviation * random.standard_normal(shape)
        values = np.asarray(np.clip(values, -FLOAT32_MAX, FLOAT32_MAX), dtype=self.spec.dtype)
        if booleans := [column for column, feature in enumerate(self.features) if feature.kind == "boolean"]:
            values[:, booleans] = values[:, booleans] > 0.5
        return values


def input_distributions(program: Program, data: Tensors | None) -> dict[str, InputDistribution]:
    """The distribution of each input of `program`: that of `data`, else as training noted it, else of the example."""
    signature = program.table
    if signature is None:
        rows = program.embedding_rows
        found = {spec.name: _observed(spec, (data or program.example)[spec.name]) for spec in program.inputs}
        # Whatever the example holds, an embedding may be asked for all of its rows.
        return {
            name: replace(distribution, low=0, high=rows[name] - 1) if name in rows else distribution
            for name, distribution in found.items()
        }
    features = {tensor.name: tensor.features for tensor in signature.inputs}
    return {
        spec.name: _described(program, spec, features[spec.name], None if data is None else data[spec.name])
        for spec in program.inputs
    }


def _described(
    program: Program, spec: InputTensor, features: tuple[Feature, ...], data: npt.NDArray[Any] | None
) -> InputDistribution:
    """The distribution of an input that a signature describes."""
    if spec.dtype.kind != "f":
        last = np.array([last_code(feature) for feature in features])
        return InputDistribution(spec, np.zeros(()), np.zeros(()), np.zeros_like(last), last, features)
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


def _observed(spec: InputTensor, values: npt.NDArray[Any]) -> InputDistribution:
    """The distribution of `values`, which are some for the input `spec`."""
    nothing = np.zeros(())
    if spec.dtype.kind == "b":
        return InputDistribution(spec, nothing, nothing)
    if spec.dtype.kind != "f":
        return InputDistribution(spec, nothing, nothing, int(values.min()), int(values.max()))
    finite = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    changing = tuple(axis for axis, size in enumerate(spec.shape) if isinstance(size, str))
    if np.prod([values.shape[axis] for axis in changing]) < _FEW:
        changing = tuple(range(values.ndim))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about a column without a number
        mean = np.nan_to_num(np.nanmean(finite, axis=changing, keepdims=True))
        deviation = np.nan_to_num(np.nanstd(finite, axis=changing, keepdims=True))
    return InputDistribution(spec, mean, np.where(deviation > 0, deviation, 1.0))
