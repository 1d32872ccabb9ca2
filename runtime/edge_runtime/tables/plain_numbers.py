"""Columns of text as numbers: the same numbers as `contract.values.parse_number` reads, in all cells at once."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.values import FLOAT32_MAX, MISSING_WORDS
from edge_runtime.tables.arrow_arrays import as_numpy, of_strings

# Why a record is not a row.
NOT_UTF8 = "not UTF-8 text; if the file is in another encoding, name it, such as --encoding cp1252"
MISSING = sorted(MISSING_WORDS)
_MISSING = of_strings(MISSING)


def are_plain(numbers: pa.Array) -> bool:
    """Whether Arrow read `numbers`, float64, as `parse_number` would.

    They differ beyond float32's range, in which it refuses 1e39, and Arrow reads 1e400 as infinity; and in what is NaN:
    Arrow takes nan(abc).
    """
    # A null has a zero there. With NaN, both are NaN, and nothing is true of it.
    values = as_numpy(numbers)
    return not len(values) or bool(values.min() >= -FLOAT32_MAX and values.max() <= FLOAT32_MAX)


def numbers_of(strings: pa.Array, decimal: str = ".") -> pa.Array | None:
    """Strings without white space around them as float64, missing values as null; None if some are not plain numbers.

    Args:
        strings: the strings.
        decimal: their decimal mark.
    """
    if decimal != ".":
        if pc.any(pc.match_substring(strings, ".")).as_py():
            return None
        strings = pc.replace_substring(strings, decimal, ".")
    try:
        numbers = pc.cast(pc.if_else(pc.is_in(strings, _MISSING), None, strings), pa.float64())
    except pa.ArrowInvalid:
        return None
    return numbers if are_plain(numbers) else None


def stripped(strings: pa.Array) -> pa.Array:
    """Strings as `str.strip` leaves them."""
    return pc.utf8_trim_whitespace(strings)


def row_numbers(first: int, count: int) -> npt.NDArray[np.int64]:
    """The numbers of `count` rows, shape (count,)."""
    return np.arange(first, first + count, dtype=np.int64)
