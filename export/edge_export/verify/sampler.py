"""Draws inputs that look like those that a program will meet."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.tensors import BATCH, Tensors, count_rows
from edge_export.verify.input_distributions import InputDistribution, input_distributions
from edge_export.verify.missing_values import columns_with_missing, with_missing
from edge_runtime.contract.values import FLOAT32_MAX

# Numbers that torch may compute for one call, so that large modules are compared on fewer rows, not for hours.
_BUDGET = 2.0**22
# A program that is too costly for so many rows in a call is compared on fewer calls, and its worst rows are not
# searched for.
FEW_ROWS = 16


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
    """

    def __init__(self, program: Program, data: Tensors | None = None, seed: int = 0) -> None:
        """Draw rows like `data` if that is given, else like the training data or the example of `program`."""
        self.program, self.data = program, data
        self.random = np.random.default_rng(seed)
        self.distributions = input_distributions(program, data)
        self.missing_columns = columns_with_missing(self.distributions)
        self._missing_fractions = [
            self.distributions[name].missing_fractions[column] for name, column in self.missing_columns
        ]
        self.sizes = {
            dimension: size
            for spec in program.inputs
            for dimension, size in zip(spec.shape, program.example[spec.name].shape, strict=True)
            if isinstance(dimension, str)
        }
        # Three at least: one, two and more rows go through different kernels.
        self.most_rows = max(3, int(_BUDGET / program.cost))

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
        return {name: known.draw(self.random, wanted, width) for name, known in self.distributions.items()}

    def with_missing(self, rows: Tensors, patterns: npt.NDArray[np.bool_]) -> Tensors:
        """`rows` without the values that `patterns`, shape (rows, missing columns), says are missing."""
        return with_missing(rows, self.distributions, self.missing_columns, patterns)

    def near(self, rows: Tensors, width: float) -> Tensors:
        """`rows` with their numbers moved at random by `width` standard deviations; all else stays as it is."""
        return {
            name: (values + width * known.standard_deviation * self.random.standard_normal(values.shape))
            .clip(-FLOAT32_MAX, FLOAT32_MAX)
            .astype(values.dtype)
            if (known := self.distributions[name]).is_floating
            else values
            for name, values in rows.items()
        }

    def mean_row(self, distribution: InputDistribution) -> npt.NDArray[np.float32]:
        """One row of a floating input in which every element is its mean."""
        shape = [self.sizes[size] if isinstance(size, str) else size for size in distribution.spec.shape]
        if self.program.is_batched:
            shape[0] = 1
        return np.broadcast_to(distribution.mean, shape).astype(np.float32)
