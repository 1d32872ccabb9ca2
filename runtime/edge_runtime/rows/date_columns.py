"""Columns of dates, as numpy, pandas, polars and pyarrow hold them, as seconds since 1970-01-01 UTC."""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.feature import Feature
from edge_runtime.contract.values import read_value

_FIRST_YEAR, _LAST_YEAR = 1 - 1970, 9999 - 1970


def frame_dates(column: Any) -> Any:
    """A column of a data frame: an array of datetime64 in UTC, if that is what it holds; or a list of its values."""
    if hasattr(column, "to_pylist"):
        # Arrow holds the dates of a time zone in UTC.
        is_array = str(column.type).startswith(("timestamp", "date"))
        return column.to_numpy(zero_copy_only=False) if is_array else column.to_pylist()
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert(None)
    elif getattr(column.dtype, "time_zone", None) is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    array = column.to_numpy()
    return array if array.dtype.kind == "M" else column.to_list()


def seconds_of_dates(dates: npt.NDArray[np.datetime64], feature: Feature) -> npt.NDArray[np.int64]:
    """The seconds since 1970-01-01 UTC of `dates`, `MISSING_DATE` where they are missing.

    Args:
        dates: datetime64 of any unit, shape (rows,).
        feature: what they are values of.

    Returns:
        int64, shape (rows,).

    Raises:
        InvalidInput: a date is beyond the years 1 to 9999; or one is missing, and the model does not accept that.
    """
    missing = np.isnat(dates)
    if feature.missing is None and missing.any():
        read_value(None, feature)
    # Coarse units reach beyond what 64 bits hold in seconds.
    years = dates.astype("datetime64[Y]").astype(np.int64)
    beyond = ~missing & ((years < _FIRST_YEAR) | (years > _LAST_YEAR))
    if beyond.any():
        read_value(dates[beyond][0], feature)
    return dates.astype("datetime64[s]").astype(np.int64)
