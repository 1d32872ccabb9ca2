"""What the rows that a program is compared on look like: like its training data, as far as that is known."""

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

# Fewer values than this say little of a mean and a spread: then all elements of an input share theirs.
_FEW = 16

# What is rare in training must be among the rows that are drawn, and what is nearly always a gap must be there too.
_FEWEST_GAPS, _MOST_GAPS = 0.02, 0.5
_UNKNOWN_TEXTS = 0.05


@dataclass(frozen=True)
class Population:
    """What one input of a program looks like.

    Attributes:
        spec: the input.
        center: the mean of each element, in a shape that broadcasts to the input's; of a floating input.
        spread: the standard deviation of each element, likewise.
        low: the smallest value of an input of integers or booleans; that of each column, if these are codes of texts.
        high: the largest one, likewise.
        features: those in its columns, where they are known.
    """

    spec: InputTensor
    center: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    low: int | npt.NDArray[np.int64] = 0
    high: int | npt.NDArray[np.int64] = 1
    features: tuple[Feature, ...] = ()

    @property
    def is_floating(self) -> bool:
        """Whether the input holds numbers that can be moved a little."""
        return self.spec.dtype.kind == "f"

    @property
    def holds_strings(self) -> bool:
        """Whether the input holds the codes of texts."""
        return bool(self.features) and not self.is_floating

    @property
    def gap(self) -> float:
        """What stands for a gap."""
        return np.nan if self.is_floating else MISSING

    @cached_property
    def gap_shares(self) -> npt.NDArray[np.float64]:
        """In how many ordinary rows each column has a gap, shape (features,)."""
        shares = np.array([feature.missing or 0.0 for feature in self.features])
        return np.where(shares > 0, shares.clip(_FEWEST_GAPS, _MOST_GAPS), 0.0)

    def draw(self, random: np.random.Generator, sizes: Mapping[str, int], width: float = 1.0) -> npt.NDArray[Any]:
        """One tensor with the given size of each dimension: normal with `width` times the spread, or uniform.

        Without gaps; of texts, some are unknown.
        """
        shape = [size if isinstance(size, int) else sizes[size] for size in self.spec.shape]
        if self.holds_strings:
            codes = random.integers(FIRST_CATEGORY, np.asarray(self.high) + 1, shape)
            return np.where(random.random(shape) < _UNKNOWN_TEXTS, UNKNOWN, codes)
        if not self.is_floating:
            return np.asarray(random.integers(self.low, self.high, shape, endpoint=True), dtype=self.spec.dtype)
        values = self.center + width * self.spread * random.standard_normal(shape)
        values = np.asarray(np.clip(values, -FLOAT32_MAX, FLOAT32_MAX), dtype=self.spec.dtype)
        if booleans := [column for column, feature in enumerate(self.features) if feature.kind == "boolean"]:
            values[:, booleans] = values[:, booleans] > 0.5
        return values


def populations(program: Program, data: Tensors | None) -> dict[str, Population]:
    """What each input of `program` looks like: as in `data`, else as training noted it, else as in the example."""
    signature = program.signature
    if signature is None:
        rows = program.embedding_rows
        found = {spec.name: _observed(spec, (data or program.example)[spec.name]) for spec in program.inputs}
        # Whatever the example holds, an embedding may be asked for all of its rows.
        return {
            name: replace(population, low=0, high=rows[name] - 1) if name in rows else population
            for name, population in found.items()
        }
    features = {tensor.name: tensor.features for tensor in signature.inputs}
    return {
        spec.name: _described(program, spec, features[spec.name], None if data is None else data[spec.name])
        for spec in program.inputs
    }


def _described(
    program: Program, spec: InputTensor, features: tuple[Feature, ...], data: npt.NDArray[Any] | None
) -> Population:
    """What an input looks like that a signature describes."""
    if spec.dtype.kind != "f":
        last = np.array([last_code(feature) for feature in features])
        return Population(spec, np.zeros(()), np.zeros(()), np.zeros_like(last), last, features)
    if data is not None and len(data) >= _FEW:
        return replace(_observed(spec, data), features=features)
    center, spread = _location(program, features)
    return Population(spec, center, spread, features=features)


def _location(
    program: Program, features: tuple[Feature, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centre and spread of each feature in training, where the module or the signature knows; else standard normal."""
    if callable(known := getattr(program.module, "mean_and_standard_deviation", None)):
        mean, deviation = (np.asarray(values, np.float64) for values in known())
        return mean, np.where(deviation > 0, deviation, 1.0)
    ranges = [
        (0.5, 0.5)
        if feature.kind == "boolean"
        else (0.0, 1.0)
        if feature.minimum is None or feature.maximum is None
        # A normal distribution keeps 95 % of its rows within two standard deviations.
        else ((feature.minimum + feature.maximum) / 2, (feature.maximum - feature.minimum) / 4)
        for feature in features
    ]
    center, spread = zip(*ranges, strict=True)
    return np.array(center), np.array(spread)


def _observed(spec: InputTensor, values: npt.NDArray[Any]) -> Population:
    nothing = np.zeros(())
    if spec.dtype.kind == "b":
        return Population(spec, nothing, nothing)
    if spec.dtype.kind != "f":
        return Population(spec, nothing, nothing, int(values.min()), int(values.max()))
    finite = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    changing = tuple(axis for axis, size in enumerate(spec.shape) if isinstance(size, str))
    if np.prod([values.shape[axis] for axis in changing]) < _FEW:
        changing = tuple(range(values.ndim))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a column without a number
        center = np.nan_to_num(np.nanmean(finite, axis=changing, keepdims=True))
        spread = np.nan_to_num(np.nanstd(finite, axis=changing, keepdims=True))
    return Population(spec, center, np.where(spread > 0, spread, 1.0))
