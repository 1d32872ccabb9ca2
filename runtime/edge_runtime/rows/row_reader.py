"""From rows in every form to the tensors of a signature.

Rows are in the order of the signature's features (lists, tuples, arrays), or they name their values (a dict, a list of
dicts, a `csv.DictReader`, a data frame of pandas, polars or pyarrow; none of these libraries is imported here). Each
column is converted as a whole.
"""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from operator import itemgetter
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature, Signature
from edge_runtime.contract.terminal import one_line
from edge_runtime.contract.values import listed, misspelt, read_value, row_values
from edge_runtime.rows.arrays import as_array, as_matrix, as_table, cast, check_lengths, holds_no_rows, reading
from edge_runtime.rows.row import Row

# The usual types of what a list holds if it does not name its values. They need no further checks.
_UNNAMED = frozenset({list, tuple, float, int, np.ndarray})

_NUMBERS = frozenset({float, int, bool})

_OBJECT, _INT64 = np.dtype(np.object_), np.dtype(np.int64)


class RowReader:
    """Reads rows for one signature.

    Attributes:
        is_plain: whether there is one input, and it holds the values of a row in their order, and all are numbers.
    """

    def __init__(self, signature: Signature, dtype: np.dtype[Any]) -> None:
        """Read rows for the inputs of `signature`; inputs of numbers have the type `dtype`, those of dates int64."""
        self._signature, self._inputs, self._dtype = signature, signature.inputs, dtype
        self._names = signature.feature_names
        numeric = all(tensor.kinds == {"numeric"} for tensor in self._inputs)
        self.is_plain = numeric and [tensor.feature_names for tensor in self._inputs] == [self._names]
        self._first_input = self._inputs[0].name

    def __repr__(self) -> str:
        return f"RowReader({len(self._names)} features, {self._dtype})"

    @reading
    def tensors(self, rows: Any) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs for `rows`.

        Args:
            rows: one row or many; see `Predictor.predict`.

        Returns:
            The inputs by name, each C-contiguous, shape (rows, features of the input), of the types that `Input` has.

        Raises:
            InvalidInput: a value is missing or does not fit its feature; the message names the feature.
        """
        if type(rows) is not np.ndarray and isinstance(rows, Iterator):
            # A `csv.DictReader` exists only if something has imported csv.
            csv = sys.modules.get("csv")
            rows = _lines(rows) if csv is not None and isinstance(rows, csv.DictReader) else list(rows)
        if holds_no_rows(rows):
            return self._filled(0, lambda feature, dtype: [])
        if self.is_plain:
            return {self._first_input: self._matrix(rows)}
        columns = self._columns_by_name(rows)
        return self._read(self._columns_in_order(rows) if columns is None else columns)

    def tensors_of_read(self, rows: Sequence[Row]) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs for rows whose values were read already, as `text_rows.read_rows` yields them.

        Args:
            rows: one row at least.

        Returns:
            As `tensors`.

        Raises:
            InvalidInput: a number does not fit `dtype`; the message names the feature.
        """
        columns = dict(zip(self._names, zip(*rows, strict=True), strict=True))
        return self._filled(len(rows), lambda feature, dtype: columns[feature.name])

    def _matrix(self, rows: Any) -> npt.NDArray[Any]:
        """The one input, if `is_plain`."""
        kind = type(rows)
        named = kind is not np.ndarray and not (kind is list and rows and type(rows[0]) in _UNNAMED)
        columns = self._columns_by_name(rows) if named else None
        if columns is None:
            try:
                return as_matrix(rows, self._dtype, self._names)
            except InvalidInput:
                # A string or None makes numpy convert all values to strings or objects.
                columns = self._columns_in_order(rows)
        elif set(map(type, itertools.chain.from_iterable(columns))) <= _NUMBERS:
            with contextlib.suppress(OverflowError):
                return cast(np.array(columns, np.float64).T, self._dtype, self._names)
        (matrix,) = self._read(columns).values()
        return matrix

    def _read(self, columns: list[Any]) -> dict[str, npt.NDArray[Any]]:
        """The inputs by name, from a column for each feature, in their order."""
        by_name = dict(zip(self._names, columns, strict=True))
        return self._filled(len(columns[0]), lambda feature, dtype: _converted(by_name[feature.name], feature, dtype))

    def _filled(self, rows: int, column_of: Callable[[Feature, np.dtype[Any]], Any]) -> dict[str, npt.NDArray[Any]]:
        """The inputs by name, from a function that gives a feature's column as its tensor's type holds it."""
        feed = {}
        for tensor in self._inputs:
            dtype = _OBJECT if tensor.holds_strings else _INT64 if tensor.holds_dates else self._dtype
            values = feed[tensor.name] = np.empty((rows, len(tensor.features)), dtype)
            for index, feature in enumerate(tensor.features):
                column = column_of(feature, dtype)
                try:
                    with np.errstate(over="raise"):
                        values[:, index] = column
                except FloatingPointError:
                    raise InvalidInput(f"{feature.name}: a value does not fit {dtype}") from None
        return feed

    def _columns_in_order(self, rows: Any) -> list[Any]:
        """A column for each feature, in their order, from `rows` that do not name their values."""
        if isinstance(rows, list | tuple):
            if len(rows) == len(self._names) and not any(isinstance(one, list | tuple | np.ndarray) for one in rows):
                return [[value] for value in rows]
            check_lengths(rows, "rows")
            try:
                # Left to itself, numpy would convert numbers beside strings to strings.
                rows = np.array(rows, np.object_)
            except ValueError as error:
                raise InvalidInput(f"rows: not an array: {one_line(error)}") from error
        return list(as_table(rows if isinstance(rows, np.ndarray) else as_array(rows, "rows"), self._names).T)

    def _columns_by_name(self, rows: Any) -> list[Any] | None:
        """A column for each feature, in their order; None if `rows` do not name their values."""
        if isinstance(rows, list | tuple) and not hasattr(rows, "_fields"):
            return self._columns_of_named(rows) if rows and _by_name(rows[0]) is not None else None
        if _by_name(rows) is not None:
            return self._columns_of_named([rows])
        if hasattr(rows, "collect"):
            raise InvalidInput("a lazy frame has not computed its rows yet; collect it first")
        # The `columns` of pyarrow are the columns themselves.
        labels = getattr(rows, "column_names", getattr(rows, "columns", None))
        if labels is not None:
            # Labels that are not strings are positions, as of a frame made from an array.
            return self._columns_of_frame(rows, list(labels)) if any(isinstance(one, str) for one in labels) else None
        return None

    def _columns_of_named(self, given: Sequence[Any]) -> list[Any]:
        rows = given
        if set(map(type, given)) != {dict}:
            rows = list(map(_by_name, given))
            if None in rows:
                raise InvalidInput(f"a list of dicts must hold only dicts, found {given[rows.index(None)]!r}")
        try:
            columns = [list(map(itemgetter(name), rows)) for name in self._names]
        except KeyError:
            # Not a generator: Python 3.11 never frees the keyword arguments of a call whose iterable after * raises.
            columns = list(map(list, zip(*[row_values(row, self._signature.features) for row in rows], strict=True)))
        for name, column in zip(self._names, columns, strict=True):
            first = column[0]
            if isinstance(first, Sized) and not isinstance(first, str | bytes) and getattr(first, "shape", None) != ():
                raise InvalidInput(
                    f"{name} is a {type(first).__name__}, but a dict is one row; "
                    "give several rows as a list of dicts or a data frame"
                )
        return columns

    def _columns_of_frame(self, frame: Any, labels: list[Any]) -> list[Any]:
        if absent := [name for name in self._names if name not in labels]:
            known = set(self._names)
            meant = misspelt((label for label in labels if label not in known), absent)
            raise InvalidInput(f"the data frame has no column {listed(absent)}{meant}")
        if twice := [name for name in self._names if labels.count(name) > 1]:
            raise InvalidInput(f"the data frame has more than one column {twice[0]}")
        return [_frame_column(frame[feature.name], feature) for feature in self._signature.features]


def _lines(reader: Any) -> list[dict[Any, Any]]:
    """The rows of a `csv.DictReader`, which takes lines with more or fewer values than the header has names."""
    rows = []
    for row in reader:
        more = row.get(reader.restkey, ())
        if more or (reader.restval is None and None in row.values()):
            found = len(more) + sum(row.get(name) is not None for name in reader.fieldnames)
            raise InvalidInput(f"line {reader.line_num}: {len(reader.fieldnames)} values are needed, found {found}")
        rows.append(row)
    return rows


def _by_name(row: Any) -> Any:
    """A row as a mapping, if it names its values (a dict, a namedtuple, a series of pandas); None otherwise."""
    if isinstance(row, Mapping):
        return row
    if hasattr(row, "_asdict"):
        return row._asdict()
    if hasattr(row, "index") and hasattr(row, "to_dict") and not hasattr(row, "columns"):
        # A row of a data frame of pandas: its index is the columns' names. The index of a column is positions.
        named = row.to_dict()
        return named if any(isinstance(one, str) for one in named) else None
    return None


def _frame_column(column: Any, feature: Feature) -> Any:
    """A column of a data frame: an array, if it holds dates, or numbers of which missing ones may be NaN; or a list."""
    if feature.kind == "date":
        # Opening a model does not wait for it.
        from edge_runtime.rows.date_columns import frame_dates

        return frame_dates(column)
    if hasattr(column, "to_pylist"):
        nulls = column.null_count
        # In the arrays of pyarrow's dictionaries, missing values have a value.
        if feature.kind == "numeric" and not hasattr(column.type, "value_type") and _may_be_nan(nulls, feature):
            return column.to_numpy(zero_copy_only=False)
        return column.to_pylist()
    if feature.kind != "numeric":
        return column.to_list()
    if hasattr(column, "null_count"):
        return column.to_numpy() if _may_be_nan(column.null_count(), feature) else column.to_list()
    if hasattr(column.dtype, "na_value") and column.dtype.kind in "fiub":
        # Left to itself, pandas may give an array of objects.
        is_array = _may_be_nan(column.isna().sum(), feature)
        return column.to_numpy(np.float64, na_value=np.nan) if is_array else column.to_list()
    return column.to_numpy()


def _may_be_nan(nulls: int, feature: Feature) -> bool:
    # A model without missing values refuses nulls, but carries NaN to its answer.
    return not nulls or feature.missing is not None


def _converted(column: Any, feature: Feature, dtype: np.dtype[Any]) -> Any:
    """What a tensor of type `dtype` holds for `column`, a one-dimensional array or a list.

    Raises:
        InvalidInput: a value does not fit the feature; the message names it.
    """
    if feature.kind == "numeric" and len(column) != 1:
        if type(column) is np.ndarray and column.dtype.kind in "fiub":
            return cast(column, dtype, (feature.name,))
        # numpy converts None to NaN.
        if set(map(type, column)) <= (_NUMBERS if feature.missing is None else _NUMBERS | {NoneType}):
            with contextlib.suppress(OverflowError):
                return cast(np.array(column, np.float64), dtype, (feature.name,))
    try:
        if feature.kind == "date" and type(column) is np.ndarray and column.dtype.kind == "M":
            from edge_runtime.rows.date_columns import seconds_of_dates

            return seconds_of_dates(column, feature)
        return _each(list(column), feature)
    except InvalidInput as error:
        raise InvalidInput(f"{feature.name}: {one_line(error)}") from None


def _each(values: list[Any], feature: Feature) -> list[float | str]:
    if len(values) > 1:
        # Most values appear many times. 1, 1.0 and True are equal, but not the same.
        with contextlib.suppress(TypeError):
            if len(set(map(type, values))) == 1:
                of_value = {value: read_value(value, feature) for value in set(values)}
                return [of_value[value] for value in values]
            keys = list(zip(map(type, values), values, strict=True))
            read = {key: read_value(key[1], feature) for key in set(keys)}
            return [read[key] for key in keys]
    return [read_value(value, feature) for value in values]
