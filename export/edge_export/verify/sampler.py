"""Draws inputs that look like those that a program will meet."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.tensors import BATCH, Array, Tensors, count_rows, repeated
from edge_export.verify.input_distributions import InputDistribution, input_distributions
from edge_export.verify.lookup_trials import sizes_of, tried_ranges
from edge_export.verify.missing_values import columns_with_missing, with_missing
from edge_runtime.contract.values import FLOAT32_MAX

# Numbers that torch may compute for one call, so that large modules are compared on fewer rows, not for hours.
_BUDGET = 2.0**22
# A program that is too costly for so many rows in a call is compared on fewer calls, and its worst rows are not
# searched for.
FEW_ROWS = 16


# Draws inputs for a generator and a number of rows.
OwnSampler: TypeAlias = Callable[[np.random.Generator, int], Tensors]


class Sampler:
    """Draws inputs for one program; the same program, data and seed give the same ones.

    Attributes:
        program: the program.
        data: rows like those that it will meet, if there are any.
        distributions: of each input, by its name.
        random: the source of all draws.
        sizes: the size of each dimension that may change, as in the example.
        most_rows: the most rows of one call.
        missing_columns: the columns that may be missing, by input and place.
        lookups: the ranges of inputs that the program looks something up at.
    """

    def __init__(
        self,
        program: Program,
        data: Tensors | None = None,
        seed: int = 0,
        stated: Mapping[str, tuple[Array, Array]] | None = None,
        own: OwnSampler | None = None,
    ) -> None:
        """Draw rows like `data` if that is given, else like the training data or the example of `program`.

        Args:
            program: the program.
            data: rows like those that it will meet.
            seed: of all draws.
            stated: the smallest and largest value of some inputs, see `input_distributions`.
            own: draws some inputs, or all of them, for a generator and a number of rows.
        """
        self.program, self.data = program, data
        self._own = own
        self.random = np.random.default_rng(seed)
        self.lookups = tried_ranges(program)
        self.distributions = input_distributions(program, data, self.lookups, stated)
        self.missing_columns = columns_with_missing(self.distributions)
        self._missing_fractions = [
            self.distributions[name].missing_fractions[column] for name, column in self.missing_columns
        ]
        self.sizes = sizes_of(program, program.example)
        # Three at least: one, two and more rows go through different kernels.
        self.most_rows = max(3, int(_BUDGET / program.cost))

    def again(self, seed: int) -> "Sampler":
        """A sampler of the same inputs with random numbers of its own."""
        other = copy.copy(self)
        other.random = np.random.default_rng(seed)
        return other

    @cached_property
    def given(self) -> frozenset[str]:
        """The inputs that the user's sampler draws."""
        return frozenset(() if self._own is None else self._own(np.random.default_rng(0), self.sizes.get(BATCH, 1)))

    @property
    def kept(self) -> dict[str, int]:
        """The inputs that are one integer everywhere in the example and in all draws, with that integer."""
        kept = {name: known for name, known in self.distributions.items() if known.is_kept}
        return {name: int(known.low.flat[0]) for name, known in kept.items() if name not in self.given}

    @cached_property
    def lengths(self) -> dict[str, int]:
        """The dimensions besides the batch whose size is free to choose, with that in the example."""
        fixed = {size for spec in self.program.inputs if spec.name in self.given for size in spec.shape}
        return {name: size for name, size in self.sizes.items() if name != BATCH and name not in fixed}

    @property
    def is_costly(self) -> bool:
        """Whether the program is too costly for more than a few rows in a call."""
        return self.most_rows < FEW_ROWS

    def draw(self, rows: int | None = None, width: float = 1.0, sizes: Mapping[str, int] | None = None) -> Tensors:
        """Ordinary inputs.

        Args:
            rows: how many, if the program has a batch; as many as the example if None.
            width: multiplies the standard deviation of numbers.
            sizes: of dimensions, if not those of the example.
        """
        drawn = self.draw_complete(rows, width, sizes)
        if not any(self._missing_fractions):
            return drawn
        patterns = self.random.random((count_rows(drawn), len(self.missing_columns))) < self._missing_fractions
        return self.with_missing(drawn, patterns)

    def draw_complete(
        self, rows: int | None, width: float = 1.0, sizes: Mapping[str, int] | None = None
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Inputs as `draw` gives them, without missing values."""
        wanted = {**self.sizes, **(sizes or {}), **({} if rows is None else {BATCH: rows})}
        drawn: dict[str, Array] = {}
        if self._own is not None:
            drawn = dict(self._own(self.random, wanted.get(BATCH, 1)))
            wanted |= {
                dimension: size
                for spec in self.program.inputs
                if spec.name in drawn
                for dimension, size in zip(spec.shape, drawn[spec.name].shape, strict=True)
                if isinstance(dimension, str)
            }
        if self.data is not None:
            drawn = {**self._from_data(self.data, wanted), **drawn}
        return {
            name: drawn[name] if name in drawn else known.draw(self.random, wanted, width)
            for name, known in self.distributions.items()
        }

    def _from_data(self, data: Tensors, wanted: Mapping[str, int]) -> dict[str, Array]:
        """Integers and booleans from rows of `data`: what stands in one column may depend on the others.

        Rows are taken at random. Along other axes that are longer than those of the data, these begin anew.
        """
        found = {}
        rows: Array | None = None
        for spec in self.program.inputs:
            known = self.distributions[spec.name]
            if known.is_floating or known.holds_codes or known.holds_dates:
                continue
            values = data[spec.name]
            for axis, dimension in enumerate(spec.shape):
                if dimension == BATCH:
                    rows = self.random.integers(0, values.shape[axis], wanted[BATCH]) if rows is None else rows
                    values = values.take(rows, axis)
                elif isinstance(dimension, str):
                    values = repeated(values, axis, wanted[dimension])
            found[spec.name] = values
        return found

    def with_missing(self, rows: Tensors, patterns: npt.NDArray[np.bool_]) -> Tensors:
        """`rows` without the values that `patterns`, shape (rows, missing columns), says are missing."""
        return with_missing(rows, self.distributions, self.missing_columns, patterns)

    def near(self, rows: Tensors, width: float) -> Tensors:
        """`rows` with their numbers moved at random by `width` standard deviations; all else stays as it is."""
        return {
            name: self._moved(values, known, width) if (known := self.distributions[name]).is_floating else values
            for name, values in rows.items()
        }

    def _moved(self, values: Array, known: InputDistribution, width: float) -> Array:
        """Numbers moved at random, within their range; those that stand for integers stay as they are."""
        moved = values + width * known.standard_deviation * self.random.standard_normal(values.shape)
        low, high = np.maximum(known.low, -FLOAT32_MAX), np.minimum(known.high, FLOAT32_MAX)
        return np.where(known.holds_integers, values, moved.clip(low, high)).astype(values.dtype)

    def mean_row(self, distribution: InputDistribution, shape: Sequence[int]) -> npt.NDArray[Any]:
        """A floating input of `shape` in which every element is its mean."""
        return np.broadcast_to(distribution.mean, shape).astype(distribution.spec.dtype)
