"""Columns of integers that number the rows of a table, or identify them, rather than measure something."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_train.table.column_names import is_identifier, is_time_or_rank

# In fewer rows, integers of another meaning may be all different too, and ranks are.
_FEWEST_ROWS = 100
# So many rows tell of most columns that a number repeats.
_SAMPLE = 1000
# Without a design, numbers do not fill more than this fraction of their range and still never repeat.
_DENSE = 0.5


@dataclass(frozen=True)
class RowNumbers:
    """A column that has another integer in every row, or in every one that has a value.

    Attributes:
        low: the smallest.
        high: the largest.
        has_missing: whether some rows have no value.
        is_sure: whether they number or identify the rows; else they may be ranks too.
    """

    low: int
    high: int
    has_missing: bool
    is_sure: bool

    def __str__(self) -> str:
        with_value = " with a value" if self.has_missing else ""
        return f"another integer in every row{with_value}, {self.low:,} to {self.high:,}"


def row_numbers(name: str, cells: pa.ChunkedArray) -> RowNumbers | None:
    """Whether the numbers of a column only tell its rows apart; None if not, or if there are too few rows to say.

    They do if the column is named like an identifier; or if they rise, or fall, from row to row and take most integers
    of their range, unless the column is named like a time or a rank. If half of the rows have no value, or more, that
    may tell something, and it is not sure.

    Args:
        name: the column's name.
        cells: float64, shape (rows,); null or NaN is a missing value.
    """
    numbers = _different_integers(cells)
    if numbers is None:
        return None
    low, high = int(numbers.min()), int(numbers.max())
    has_missing, is_common = len(numbers) < len(cells), 2 * len(numbers) > len(cells)
    if is_identifier(name):
        return RowNumbers(low, high, has_missing, is_sure=is_common)
    if is_time_or_rank(name) or len(numbers) <= _DENSE * (high - low + 1):
        return None
    rises = numbers[1:] > numbers[:-1]
    return RowNumbers(low, high, has_missing, is_sure=is_common and bool(rises.all() or not rises.any()))


def _different_integers(cells: pa.ChunkedArray) -> npt.NDArray[np.float64] | None:
    """The numbers of a column that are not missing, if all of them are different integers, and enough; else None."""
    if len(cells) < _FEWEST_ROWS:
        return None
    numbers: npt.NDArray[np.float64] = cells.to_numpy()
    # The first ones first: of most columns they tell, without a copy of the whole.
    for some in (numbers[:_SAMPLE], numbers):
        known = some[~np.isnan(some)]
        if not (np.isfinite(known).all() and (known == np.floor(known)).all() and len(np.unique(known)) == len(known)):
            return None
    return known if len(known) >= _FEWEST_ROWS else None
