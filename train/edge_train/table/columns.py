"""What the columns of a table hold: numbers, booleans, categories or dates, as found or as the user says."""

import collections
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.notation import Notation
from edge_runtime.contract.signature import Kind, Order
from edge_runtime.contract.terminal import suggestion
from edge_train.errors import TableError
from edge_train.table import conversions
from edge_train.table.date_forms import compact_dates
from edge_train.table.raw_column import RawColumn
from edge_train.table.row_numbers import RowNumbers, row_numbers

_LONGEST_LIST = 300  # characters of names in a message
# A column looks like dates if more than this fraction of its different strings do, and is worth a warning from less on.
_MOSTLY, _NOTABLE = 0.5, 0.2
# Few strings are categories, also if some are numbers.
_MANY = 20
_ORDERS: dict[Order, str] = {"ymd": "year first", "dmy": "day first", "mdy": "month first"}


@dataclass(frozen=True)
class Column:
    """One column of a table, ready to learn from.

    Attributes:
        name: the name in the header.
        kind: what it holds.
        values: shape (rows,). Of the numeric and boolean kinds float32, NaN being a missing value, true 1 and false 0;
            of the categorical kind int32, places in `categories`, -1 being a missing value; dates int64, seconds since
            1970-01-01 UTC, `MISSING_DATE` being a missing value.
        categories: sorted, all strings or all integers; empty for other kinds.
        notation: how numbers are written in text; None as programs write them.
        words: the words for false and true in text, if they are others.
        order: the order of day, month and year of dates in text that do not begin with the year.
        written: how the cells are written, for people: an example, or words; empty if there is nothing to say.
        warning: what the user should know about it; empty if there is nothing.
    """

    name: str
    kind: Kind
    values: npt.NDArray[Any]
    categories: tuple[str, ...] | tuple[int, ...] = ()
    notation: Notation | None = None
    words: tuple[str, str] | None = None
    order: Order = "ymd"
    written: str = ""
    warning: str = ""

    def __repr__(self) -> str:
        counts = f"{len(self.values):,} rows, {self.missing.sum():,} missing"
        categories = f", {len(self.categories):,} categories" if self.categories else ""
        return f"Column({self.name!r}, {self.kind}, {counts}{categories})"

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which rows have no value, shape (rows,)."""
        if self.kind == "date":
            return np.asarray(self.values == MISSING_DATE)
        return np.isnan(self.values) if self.kind != "categorical" else self.values < 0


@dataclass(frozen=True)
class DroppedColumn:
    """A column that nothing is learned from.

    Attributes:
        name: the name in the header.
        reason: why.
        warning: what the user should do if it holds something; empty if it does not look like that.
    """

    name: str
    reason: str
    warning: str = ""


def find_columns(
    table: pa.Table,
    path: object,
    numeric: Collection[str] = (),
    categorical: Collection[str] = (),
    dates: Collection[str] = (),
    *,
    decimal: str | None = None,
    date_order: Order | None = None,
) -> list[Column | DroppedColumn]:
    """The columns of `table`, each as what it holds.

    Args:
        table: as `read_table` returns it, without the target. If nothing else refers to it, each column's memory is
            freed once the column is converted.
        path: what messages call the table.
        numeric: the columns to take as numbers, even if they look like something else.
        categorical: the columns to take as categories, likewise.
        dates: the columns to take as dates, likewise.
        decimal: the decimal mark of numbers in text, "." or ",": it decides where nothing in a column does; by default
            a comma if `read_table` found it.
        date_order: the order of day and month of dates in text, likewise.

    Raises:
        TableError: a column of numbers has a cell that is not a finite number that float32 holds, a column of dates one
            that is not a date, or a column cannot be what `numeric`, `categorical` or `dates` says; the message names
            the row.
    """
    found: list[Column | DroppedColumn] = []
    decimal = decimal or decimal_mark(table)
    columns = collections.deque(zip(table.column_names, table.columns, strict=True))
    del table
    while columns:
        name, cells = columns.popleft()
        raw = RawColumn(name, cells, path, decimal=decimal, date_order=date_order)
        del cells
        if name in categorical:
            found.append(_converted(raw, "categorical"))
        elif name in numeric:
            found.append(_converted(raw, "numeric"))
        elif name in dates:
            found.append(_converted(raw, "date"))
        else:
            found.append(_detected(raw))
    return found


def decimal_mark(table: pa.Table) -> str | None:
    """A comma if that is the decimal mark of the file of `table`; None else, since a point may be one of groups."""
    return "," if (table.schema.metadata or {}).get(b"decimal") == b"," else None


def no_such_column(path: object, name: str, names: Sequence[str]) -> TableError:
    """The error for a `name` that is not among the columns `names` of the table at `path`."""
    known = suggestion(name, names) or f"; its columns are {shorten(', '.join(names), _LONGEST_LIST)}"
    return TableError(f"{path} has no column {name!r}{known}")


def _detected(raw: RawColumn) -> Column | DroppedColumn:
    if raw.reason_to_drop is not None:
        hint = _hint(raw, "keeps it as strings")
        return DroppedColumn(raw.name, raw.reason_to_drop, f"{raw.name} is dropped although {hint}" if hint else "")
    kinds: dict[Kind, bool] = {"boolean": raw.is_boolean, "numeric": raw.is_numeric, "date": raw.is_date}
    kind: Kind = next((kind for kind, is_taken in kinds.items() if is_taken), "categorical")
    numbers = conversions.plain_numbers(raw) if kind == "numeric" else None
    found = None if numbers is None else row_numbers(raw.name, numbers)
    if found is not None and found.is_sure:
        return _dropped_numbers(raw.name, found)
    column = _converted(raw, kind)
    if found is not None:
        return replace(column, warning=_doubtful_numbers(raw.name, found))
    if numbers is not None and (dates := compact_dates(numbers.to_numpy())):
        return replace(column, warning=f"{raw.name} is taken as numbers although it looks like {dates}")
    if not raw.missing_count and (column.values == column.values[0]).all():
        return DroppedColumn(raw.name, "the same value in every row")
    if column.kind == "categorical" and not raw.is_identifier and (hint := _hint(raw, "confirms it")):
        return replace(column, warning=f"{raw.name} is taken as categories although {hint}")
    return column


def _dropped_numbers(name: str, found: RowNumbers) -> DroppedColumn:
    warning = f"{name} is dropped: it has {found}, and so only tells rows apart; --numeric {shlex.quote(name)} keeps it"
    return DroppedColumn(name, str(found), warning)


def _doubtful_numbers(name: str, found: RowNumbers) -> str:
    return (
        f"{name} is taken as numbers although it has {found}; if they only tell rows apart, --drop {shlex.quote(name)}"
    )


def _converted(raw: RawColumn, kind: Kind) -> Column:
    if kind == "categorical":
        written = "leading zeros" if raw.is_identifier else ""
        return Column(raw.name, kind, *conversions.categories(raw), written=written)
    if kind == "date":
        form = raw.date_form if raw.holds_strings else None
        order = "ymd" if form is None or form.order is None else form.order
        written = "" if form is None else f"{form.example} ({_ORDERS[order]})" if order != "ymd" else form.example
        return Column(raw.name, kind, conversions.dates(raw), order=order, written=written)
    if kind == "boolean":
        words = None if raw.words is None or raw.words[1].lower() == "true" else raw.words
        written = "" if words is None else f"{words[0]}, {words[1]}"
        return Column(raw.name, kind, conversions.booleans(raw), words=words, written=written)
    notation = raw.number_form.notation if raw.holds_strings else None
    return Column(raw.name, kind, conversions.numbers(raw), notation=notation, written=_written(raw, notation))


def _written(raw: RawColumn, notation: Notation | None) -> str:
    """How numbers in text are written, and what the example means if it could be read otherwise."""
    if notation is None:
        return ""
    form = raw.number_form
    if not form.is_ambiguous:
        return form.example or "decimal comma"
    other = "point" if notation.decimal == "," else "comma"
    return f"{form.example} = {notation.parse(form.example):g} (--decimal {other} if it is not)"


def _hint(raw: RawColumn, effect: str) -> str:
    """What a column looks like that is not taken so, and what to do; empty if it looks like nothing else.

    Args:
        raw: the column.
        effect: what --categorical does to it.
    """
    name = shlex.quote(raw.name)
    categorical = f"--categorical {name} {effect}"
    if pa.types.is_time(raw.cells.type) or pa.types.is_duration(raw.cells.type):
        return f"it holds {raw.cells.type}; make it numbers, such as seconds"
    if not raw.holds_strings or raw.missing_count == len(raw.cells):
        return ""
    if raw.is_identifier:
        return f"it is digits; {categorical}, --numeric {name} takes it as numbers, without leading zeros"
    if problem := raw.number_form.problem:
        return f"it looks like numbers: {problem}; write one unit, or {categorical}"
    form = raw.date_form
    if form.problem and form.share > _MOSTLY:
        option = form.remedy or "--date-order dmy or --date-order mdy says which"
        return f"it looks like dates: {form.problem}; {option}, or {categorical}"
    share = max(raw.number_form.share, form.share)
    if share <= _NOTABLE or len(raw.encoded.dictionary) <= _MANY:
        return ""
    looks_like, option = ("dates", "--date") if form.share == share else ("numbers", "--numeric")
    others = f"{option} {name} names the first of the others"
    return f"{share:.0%} of its different strings look like {looks_like}; {others}, {categorical}"
