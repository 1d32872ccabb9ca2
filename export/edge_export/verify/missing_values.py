"""Which columns of a row have no value: the patterns of gaps that a model of a table is compared on."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_export.tensors import Tensors
from edge_export.verify.input_distributions import Population

# Patterns of ten columns are all compared, those of more are sampled.
_ALL_OF = 10


def gap_columns(populations: Mapping[str, Population]) -> list[tuple[str, int]]:
    """The columns that may have gaps, each by the name of its input and its place there."""
    return [
        (name, column)
        for name, population in populations.items()
        for column, feature in enumerate(population.features)
        if feature.missing is not None
    ]


def patterns(columns: int, most: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """At most so many patterns of gaps in so many columns, shape (patterns, columns).

    All that there are, of few columns. Else none, all, each alone and all but one, then others at random, of every
    density.
    """
    if columns <= _ALL_OF:
        every: npt.NDArray[np.bool_] = np.arange(2**columns)[:, None] >> np.arange(columns) & 1 == 1
        return every.take(np.unique(np.linspace(0, len(every) - 1, min(most, len(every))).astype(int)), axis=0)
    alone = np.eye(columns, dtype=bool)
    ends = np.stack([np.zeros(columns, bool), np.ones(columns, bool)])
    count = max(0, min(2**_ALL_OF, most) - len(ends) - 2 * columns)
    others = random.random((count, columns)) < random.random((count, 1))
    return np.concatenate([ends, alone, ~alone, others])[:most]


def with_gaps(
    rows: Tensors, populations: Mapping[str, Population], columns: list[tuple[str, int]], gaps: npt.NDArray[np.bool_]
) -> Tensors:
    """`rows` with gaps where `gaps`, shape (rows, columns), says so of `columns`."""
    gapped = {name: values.copy() for name, values in rows.items()}
    for (name, column), missing in zip(columns, gaps.T, strict=True):
        gapped[name][missing, column] = populations[name].gap
    return gapped
