"""What the rows that a program is compared on look like: like its training data, as far as that is known."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_export.program import InputTensor, Program, Tensors
from edge_runtime.rows import LARGEST
from edge_train import NeuralNet

# Fewer values than this say little of a mean and a spread: then all elements of an input share theirs.
_FEW = 16


@dataclass(frozen=True)
class Population:
    """What one input of a program looks like.

    Attributes:
        spec: the input.
        center: the mean of each element, in a shape that broadcasts to the input's; of a floating input.
        spread: the standard deviation of each element, likewise.
        low: the smallest value of an input of integers or booleans.
        high: the largest one.
    """

    spec: InputTensor
    center: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    low: int = 0
    high: int = 1

    @property
    def is_floating(self) -> bool:
        """Whether the input holds numbers that can be moved a little."""
        return self.spec.dtype.kind == "f"

    def draw(self, random: np.random.Generator, sizes: Mapping[str, int], width: float = 1.0) -> npt.NDArray[Any]:
        """One tensor with the given size of each dimension: normal with `width` times the spread, or uniform."""
        shape = [size if isinstance(size, int) else sizes[size] for size in self.spec.shape]
        if not self.is_floating:
            return np.asarray(random.integers(self.low, self.high, shape, endpoint=True), dtype=self.spec.dtype)
        values = self.center + width * self.spread * random.standard_normal(shape)
        return np.asarray(np.clip(values, -LARGEST, LARGEST), dtype=self.spec.dtype)


def populations(program: Program, data: Tensors | None) -> dict[str, Population]:
    """What each input of `program` looks like: as in `data`, else as training noted it, else as in the example."""
    if data is None and program.signature is not None and len(program.inputs) == 1:
        spec = program.inputs[0]
        center, spread = _location(program)
        return {spec.name: Population(spec, center, spread)}
    rows = program.embedding_rows
    found = {spec.name: _observed(spec, (data or program.example)[spec.name]) for spec in program.inputs}
    # Whatever the example holds, an embedding may be asked for all of its rows.
    return {
        name: replace(population, low=0, high=rows[name] - 1) if name in rows else population
        for name, population in found.items()
    }


def _location(program: Program) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centre and spread of each feature in training, where the module or the signature knows; else standard normal."""
    if isinstance(program.module, NeuralNet) and program.module.standardize is not None:
        standardize = program.module.standardize
        return standardize.mean.double().numpy(), standardize.scale.double().numpy()
    assert program.signature is not None
    ranges = [
        (0.0, 1.0)
        if feature.minimum is None or feature.maximum is None
        # A normal distribution keeps 95 % of its rows within two standard deviations.
        else ((feature.minimum + feature.maximum) / 2, (feature.maximum - feature.minimum) / 4)
        for feature in program.signature.features
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
