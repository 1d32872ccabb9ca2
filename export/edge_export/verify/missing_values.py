"""Missing-value patterns: which columns of a row have no value."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_export.tensors import Tensors, evenly_spaced
from edge_export.verify.input_distributions import InputDistribution

# All patterns of up to so many columns are compared, those of more columns are sampled.
_ALL_OF = 10


def columns_with_missing(distributions: Mapping[str, InputDistribution]) -> list[tuple[str, int]]:
    """The columns that may be missing, each by the name of its input and its place there."""
    return [
        (name, column)
        for name, distribution in distributions.items()
        for column, feature in enumerate(distribution.features)
        if feature.missing is not None
    ]


def missing_patterns(columns: int, most: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """At most `most` patterns of `columns` columns, shape (patterns, columns), True if the column is missing.

    All patterns of a few columns. Of many columns: none, all, each alone and all but one, then others at random, of
    every density.
    """
    if columns <= _ALL_OF:
        every: npt.NDArray[np.bool_] = np.arange(2**columns)[:, None] >> np.arange(columns) & 1 == 1
        return every.take(evenly_spaced(len(every), most), axis=0)
    alone = np.eye(columns, dtype=bool)
    ends = np.stack([np.zeros(columns, bool), np.ones(columns, bool)])
    count = max(0, min(2**_ALL_OF, most) - len(ends) - 2 * columns)
    others = random.random((count, columns)) < random.random((count, 1))
    return np.concatenate([ends, alone, ~alone, others])[:most]


def with_missing(
    rows: Tensors,
    distributions: Mapping[str, InputDistribution],
    columns: list[tuple[str, int]],
    patterns: npt.NDArray[np.bool_],
) -> Tensors:
    """`rows` without the values that `patterns`, shape (rows, columns), says are missing in `columns`."""
    result = {name: values.copy() for name, values in rows.items()}
    for (name, column), missing in zip(columns, patterns.T, strict=True):
        result[name][missing, column] = distributions[name].missing_value
    return result
