"""From a column of Arrow to what a tensor holds for a feature, by the meaning of `contract.values.read_value`.

Numbers are cast as a whole, everything else is read once for each distinct value. What Arrow cannot decide, or could
decide otherwise, is left to `read_value`: so each value, and each reason to refuse one, is the one of a single row.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.category_codes import UNKNOWN, codes_of
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.terminal import one_line, shortened
from edge_runtime.contract.values import FLOAT32_MAX, read_value
from edge_runtime.tables.arrow_arrays import are_null, as_numpy, is_text, of_numbers
from edge_runtime.tables.arrow_text import numbers, seconds

# How many of a unit are a second.
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass
class Column:
    """What a tensor holds for a column.

    Attributes:
        values: shape (rows,), of the tensor's type; anything where the value is refused.
        refused: for each place whose value is refused, why.
    """

    values: npt.NDArray[Any]
    refused: dict[int, str] = field(default_factory=dict)


def read_column(array: Any, feature: Feature, dtype: np.dtype[Any]) -> Column:
    """Read a column for a feature.

    Args:
        array: a `pyarrow.Array` of any type, shape (rows,).
        feature: what the column is.
        dtype: of the tensor: a floating type, object for strings, or int64 for dates and for the codes of categories.

    Returns:
        Its values and the refused ones.
    """
    kind = array.type
    if pa.types.is_null(kind):
        return _of_distinct([], np.full(len(array), -1), feature, dtype)
    if pa.types.is_run_end_encoded(kind):
        return read_column(pc.run_end_decode(array), feature, dtype)
    if pa.types.is_dictionary(kind):
        return _decoded(array, feature, dtype)
    if feature.kind == "numeric" and _is_number(kind):
        return _numbers(array, _as_floats(array), feature, dtype)
    if feature.kind == "boolean" and _is_number(kind):
        return _booleans(array, feature, dtype)
    if feature.kind == "date" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return _dates(array, feature, dtype)
    if feature.kind in ("numeric", "date") and is_text(kind):
        return _parsed(array, feature, dtype)
    return _by_value(array, feature, dtype)


def _is_number(kind: Any) -> bool:
    is_kind = pa.types
    checks = (is_kind.is_integer, is_kind.is_floating, is_kind.is_boolean, is_kind.is_decimal)
    return any(check(kind) for check in checks)


def _as_floats(array: Any) -> npt.NDArray[Any]:
    """Numbers as the floats that Python makes of them; anything where they are null."""
    kind = array.type
    if pa.types.is_decimal(kind):
        # By way of its digits, which gives the nearest float; Arrow's division does not.
        array = array.cast(pa.string()).cast(pa.float64())
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    values = as_numpy(array, math.nan if pa.types.is_floating(array.type) else 0)
    # Of 64 bits Python makes a float64 first, which rounds for itself.
    return values.astype(np.float64) if values.dtype.kind in "iu" and values.dtype.itemsize == 8 else values


def _numbers(array: Any, values: npt.NDArray[Any], feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column of a numeric feature, whose values as floats are `values`."""
    with np.errstate(over="ignore", invalid="ignore"):
        column = Column(values.astype(dtype))
        if values.dtype == np.float64 or dtype.itemsize < values.dtype.itemsize or dtype == np.float16:
            largest = min(FLOAT32_MAX, float(np.finfo(dtype).max))
            # Almost always, there is none.
            if (beyond := np.abs(values) > largest).any():
                beyond &= np.isfinite(values)
                _reread(array, np.flatnonzero(beyond), feature, column)
    _fill_nulls(array, feature, column)
    return column


def _booleans(array: Any, feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column of a boolean feature, from numbers and booleans."""
    values = _as_floats(array)
    with np.errstate(over="ignore"):
        column = Column(values.astype(dtype))
    if not pa.types.is_boolean(array.type) and not (is_either := (values == 0) | (values == 1)).all():
        _reread(array, np.flatnonzero(~is_either), feature, column)
    _fill_nulls(array, feature, column)
    return column


def _dates(array: Any, feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column of a date feature, from dates and times, which have their offset taken off."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        values = as_numpy(array.cast(pa.int64())) // _UNITS[kind.unit]
    elif pa.types.is_date32(kind):
        values = as_numpy(array.cast(pa.int32())).astype(np.int64) * 86400
    else:
        values = as_numpy(array.cast(pa.int64())) // 86_400_000 * 86400
    column = Column(values.astype(dtype))
    _fill_nulls(array, feature, column)
    _reread(array, np.flatnonzero((values < FIRST_SECOND) | (values > LAST_SECOND)), feature, column)
    return column


def _parsed(array: Any, feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column of a numeric feature or of dates, from strings."""
    is_date = feature.kind == "date"
    try:
        found = seconds(array, feature.order) if is_date else numbers(array, feature.notation)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _by_value(array, feature, dtype)
    if is_date:
        column = Column(as_numpy(found).astype(dtype))
        undecided = are_null(found)
    else:
        values = as_numpy(found, math.nan)
        column = _numbers(array, values, feature, dtype)
        undecided = ~np.isfinite(values)
    _reread(array, np.flatnonzero(undecided), feature, column)
    return column


def _decoded(array: Any, feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column of a dictionary: each of its values is read once."""
    if len(array.dictionary) > len(array):
        # A part of a long column still has the dictionary of the whole.
        try:
            return read_column(array.dictionary_decode(), feature, dtype)
        except pa.ArrowNotImplementedError:
            pass
    entries = read_column(array.dictionary, feature, dtype)
    places = as_numpy(array.indices.cast(pa.int64()), -1)
    return _taken(entries, places, feature, dtype)


def _by_value(array: Any, feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column of any type, by `read_value`, once for each distinct value where Arrow can tell them."""
    try:
        encoded = array.dictionary_encode()
        distinct, places = encoded.dictionary, encoded.indices
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return _of_distinct(array, np.arange(len(array)), feature, dtype)
    return _of_distinct(distinct, as_numpy(places, -1), feature, dtype)


def _of_distinct(distinct: Any, places: npt.NDArray[Any], feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column with the value of `distinct` at each of `places`; null at -1."""
    try:
        found = distinct.to_pylist() if len(distinct) else []
    except Exception as error:  # strings that are not UTF-8, dates that Python does not have
        if is_from_handler(error):
            raise
        found = list(distinct)
    entries = Column(np.empty(len(found), dtype))
    codes = _codes(feature, dtype)
    for place, value in enumerate(found):
        _read_into(entries, place, value, feature, codes)
    return _taken(entries, places, feature, dtype)


def _taken(entries: Column, places: npt.NDArray[Any], feature: Feature, dtype: np.dtype[Any]) -> Column:
    """The column with the value of `entries` at each of `places`; null at -1."""
    table = Column(np.concatenate([entries.values, np.empty(1, dtype)]), dict(entries.refused))
    null = len(entries.values)
    if len(places) and places.min() < 0:
        _read_into(table, null, None, feature, _codes(feature, dtype))
    column = Column(table.values[places])
    if table.refused:
        is_refused = np.zeros(null + 1, np.bool_)
        is_refused[list(table.refused)] = True
        at = np.flatnonzero(is_refused[places])
        column.refused = {
            place: table.refused[entry if entry >= 0 else null]
            for place, entry in zip(at.tolist(), places[at].tolist(), strict=True)
        }
    return column


def _reread(array: Any, places: npt.NDArray[Any], feature: Feature, column: Column) -> None:
    """Read the values at `places` one by one."""
    if not len(places):
        return
    part = _by_value(array.take(of_numbers(places)), feature, column.values.dtype)
    column.values[places] = part.values
    column.refused |= {int(places[place]): reason for place, reason in part.refused.items()}


def _fill_nulls(array: Any, feature: Feature, column: Column) -> None:
    """Set what null is in a column."""
    if not array.null_count:
        return
    is_null = are_null(array)
    null = Column(np.empty(1, column.values.dtype))
    _read_into(null, 0, None, feature)
    if null.refused:
        column.refused |= dict.fromkeys(np.flatnonzero(is_null).tolist(), null.refused[0])
    else:
        column.values[is_null] = null.values[0]


def _codes(feature: Feature, dtype: np.dtype[Any]) -> Mapping[str, int] | None:
    """The code of each string, if the tensor holds codes."""
    return codes_of(feature) if feature.kind == "categorical" and dtype == np.int64 else None


def _read_into(
    column: Column, place: int, value: Any, feature: Feature, codes: Mapping[str, int] | None = None
) -> None:
    """Read one value of Python, or a scalar of Arrow that may have none in Python."""
    try:
        if isinstance(value, pa.Scalar):
            value = value.as_py()
        read = read_value(value, feature)
    except InvalidInput as error:
        column.refused[place] = one_line(error)
        return
    except Exception as error:
        if is_from_handler(error):
            raise
        reason = shortened(one_line(error)) or type(error).__name__
        column.refused[place] = f"the value cannot be read: {reason}"
        return
    if codes is not None:
        column.values[place] = codes.get(str(read), UNKNOWN)
        return
    with np.errstate(over="ignore"):
        column.values[place] = read
    if isinstance(read, float) and math.isfinite(read) and not math.isfinite(column.values[place]):
        column.refused[place] = f"{shortened(str(value))} does not fit {column.values.dtype}"
