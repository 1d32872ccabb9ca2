"""The cells of a column as what it is taken for: numbers, booleans, categories or dates."""

import re
import shlex

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE, parse_date
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.values import FLOAT32_MAX, parse_number
from edge_runtime.tables import arrow_text
from edge_runtime.tables.arrow_arrays import spelled
from edge_train.table.date_forms import compact_dates
from edge_train.table.raw_column import RawColumn, encoded_cells

# Fewer steps of float32 between the smallest and the largest number, and it may not tell the numbers apart.
_FEWEST_STEPS = 1000
# As Python writes them, so that 007 stays a string; so does a code of more digits.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
# What tells the order of day and month.
_ORDERS = "say which with --date-order dmy or --date-order mdy"


def booleans(raw: RawColumn) -> npt.NDArray[np.float32]:
    """The cells of a column that `is_boolean`, shape (rows,): 1 for true, 0 for false, NaN if missing."""
    cells = raw.cells
    if raw.words is not None:
        encoded, true = raw.encoded, raw.words[1].lower()
        are_true = pa.array([word.lower() == true for word in encoded.dictionary.to_pylist()])
        cells = are_true.take(encoded.indices)
    return np.asarray(cells.cast(pa.float32()).to_numpy(zero_copy_only=False), np.float32)


def plain_numbers(raw: RawColumn) -> pa.ChunkedArray | None:
    """The cells as float64, if they are numbers or strings as programs write them; else None."""
    return raw.cast if raw.is_plain or not raw.holds_strings else None


def numbers(raw: RawColumn) -> npt.NDArray[np.float32]:
    """The cells as numbers, even if they look like something else, shape (rows,); NaN if missing.

    Raises:
        TableError: a cell is not a finite number that float32 holds, no cell has a value, or float32 cannot tell
            the values apart.
    """
    numbers = plain_numbers(raw)
    numbers = _parsed(raw) if numbers is None else numbers
    wide: npt.NDArray[np.float64] = numbers.to_numpy().astype(np.float64, copy=False)
    bad = np.isinf(wide) | (np.abs(wide) > FLOAT32_MAX)
    if bad.any():
        raw.refuse(int(bad.argmax()), "not a finite number within float32's range; fix the cell, or empty it")
    known = wide[~np.isnan(wide)]
    if not len(known):
        raise raw.unusable("has no value in any row")
    if (problem := _resolution_problem(known)) is not None:
        if dates := compact_dates(known):
            raise raw.unusable(f"holds {dates}", ", or ")
        raise raw.unusable(problem, ", or ")
    return wide.astype(np.float32)


def categories(raw: RawColumn) -> tuple[npt.NDArray[np.int32], tuple[str, ...] | tuple[int, ...]]:
    """The cells as categories, even if they look like something else.

    Returns:
        Places in the categories, shape (rows,), -1 if missing; and the categories, sorted: integers if all of them
        are, else strings.

    Raises:
        TableError: no cell has a value, or the cells are of a type that cannot be categories.
    """
    if raw.missing_count == len(raw.cells):
        raise raw.unusable("has no value in any row")
    encoded = raw.encoded if raw.holds_strings else encoded_cells(_strings(raw))
    found = encoded.dictionary.to_pylist()
    if isinstance(found[0], str):
        if null := [place for place, category in enumerate(found) if "\0" in category]:
            raw.refuse(pc.index(encoded.indices, null[0]).as_py(), "a string with a null in it; fix the cell")
        if all(map(_INTEGER.fullmatch, found)):
            found = list(map(int, found))
    order = sorted(range(len(found)), key=found.__getitem__)
    # The last one is where the index -1 of a missing value leads.
    places = np.full(len(found) + 1, -1, np.int32)
    places[order] = np.arange(len(found), dtype=np.int32)
    indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return places[indices], tuple(found[place] for place in order)


def dates(raw: RawColumn) -> npt.NDArray[np.int64]:
    """The cells as seconds since 1970-01-01 UTC, even if they look like something else, shape (rows,).

    A missing value is `MISSING_DATE`.

    Raises:
        TableError: a cell is not a date of the years 1 to 9999, or no cell has a value.
    """
    if raw.missing_count == len(raw.cells):
        raise raw.unusable("has no value in any row")
    if not (raw.holds_strings or raw.is_date):
        raise raw.unusable(f"holds {raw.cells.type}, not dates")
    seconds = _parsed_dates(raw) if raw.holds_strings else _seconds(raw.cells)
    found: npt.NDArray[np.int64] = pc.fill_null(seconds, MISSING_DATE).to_numpy()
    bad = ((found < FIRST_SECOND) | (found > LAST_SECOND)) & (found != MISSING_DATE)
    if bad.any():
        raw.refuse(int(bad.argmax()), "not in the years 1 to 9999; fix the cell, or empty it")
    return found


def _parsed(raw: RawColumn) -> pa.ChunkedArray:
    """The numbers by Python's rules, which accept more than Arrow's ("+1")."""
    if not raw.holds_strings:
        raise raw.unusable(f"holds {raw.cells.type}, not numbers")
    encoded, notation = raw.encoded, raw.number_form.notation
    if raw.number_form.problem:
        raise raw.unusable(f"cannot be read as numbers: {raw.number_form.problem}", "; write one unit, or ")
    numbers = []
    for place, word in enumerate(encoded.dictionary.to_pylist()):
        try:
            numbers.append(parse_number(word) if notation is None else notation.parse(word))
        except InvalidInput as error:
            row = pc.index(encoded.indices, place).as_py()
            categories = f"categories with --categorical {shlex.quote(raw.name)}"
            advice = "classes with --task classification" if raw.is_target else categories
            problem = "too large for float32" if str(error).endswith("float32") else "not a number"
            written = "" if notation is None else f" written like {notation.example!r}"
            raw.refuse(row, f"{problem}{written}; fix the cell, or take the column as {advice}")
    return pa.chunked_array([pa.array(numbers, pa.float64()).take(encoded.indices)])


def _parsed_dates(raw: RawColumn) -> pa.ChunkedArray:
    form, encoded = raw.date_form, raw.encoded
    if form.order is None and form.problem:
        raise raw.unusable(f"cannot be read as dates: {form.problem}", f"; {form.remedy or _ORDERS}, or ")
    order = form.order or "ymd"
    read = arrow_text.seconds(encoded.dictionary, order)
    dates = read.to_pylist() if read.null_count else []
    for place in np.flatnonzero(read.is_null()).tolist():
        try:
            dates[place] = parse_date(encoded.dictionary[place].as_py(), order)
        except InvalidInput as error:
            row = pc.index(encoded.indices, place).as_py()
            categories = f"take the column as categories with --categorical {shlex.quote(raw.name)}"
            reason = str(error).partition(" is ")[2]
            raw.refuse(row, f"{reason}; fix the cell, empty it, or {categories}")
    whole = pa.array(dates, pa.int64()) if dates else read
    return pa.chunked_array([whole.take(encoded.indices)])


def _strings(raw: RawColumn) -> pa.ChunkedArray:
    """The cells as the runtime spells them in categories; integers stay integers."""
    if raw.holds_strings or pa.types.is_integer(raw.cells.type):
        return raw.cells
    if pa.types.is_boolean(raw.cells.type):
        return pc.cast(raw.cells, pa.string())
    # Integers with missing values are floating-point numbers in many files.
    if raw.is_numeric:
        return _strings_of_numbers(raw.cells)
    raise raw.unusable(f"holds {raw.cells.type}, which cannot be categories")


def _strings_of_numbers(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floating-point numbers as the runtime spells them in categories."""
    numbers = cells.cast(pa.float64()) if pa.types.is_decimal(cells.type) else cells
    found, places = np.unique(numbers.to_numpy(), return_inverse=True)
    strings = spelled([None if np.isnan(number) else number for number in found])
    return pa.chunked_array([strings.take(pa.array(places))])


def _seconds(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates and times of Arrow as seconds since 1970, parts of a second dropped; null if missing."""
    if pa.types.is_date(cells.type):
        days = pc.cast(pc.cast(cells, pa.date32()), pa.int32())
        return pc.multiply(pc.cast(days, pa.int64()), 86_400)
    units = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[cells.type.unit]
    ticks = pc.cast(cells, pa.int64())
    quotient = pc.divide(ticks, units)
    # Arrow rounds towards zero.
    return pc.subtract(quotient, pc.cast(pc.less(ticks, pc.multiply(quotient, units)), pa.int64()))


def _resolution_problem(numbers: npt.NDArray[np.float64]) -> str | None:
    """Why float32 cannot represent the differences of `numbers`, such as those of seconds since 1970 in a minute."""
    low, high = numbers.min(), numbers.max()
    if high - low > FLOAT32_MAX:
        return f"ranges from {low:.6g} to {high:.6g}, wider than float32 holds; divide the column by a constant"
    steps = (high - low) / np.spacing(np.float32(max(abs(low), abs(high))))
    if steps < _FEWEST_STEPS and len(np.unique(numbers)) > len(np.unique(numbers.astype(np.float32))):
        return (
            f"ranges from {low:.10g} to {high:.10g}, and float32 cannot tell its values apart; "
            "subtract a constant from the column"
        )
    return None
