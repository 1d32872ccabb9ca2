"""One column as it is in the file, and what its cells look like."""

import functools
import shlex
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.notation import Notation
from edge_runtime.contract.signature import Order
from edge_runtime.contract.values import MISSING_WORDS, is_number
from edge_runtime.tables.arrow_arrays import is_text
from edge_train.errors import TableError
from edge_train.table.boolean_words import MOST_SPELLINGS, boolean_words
from edge_train.table.date_forms import DateForm, date_form
from edge_train.table.number_forms import NumberForm, number_form

# A column in which more than this fraction of the different strings are numbers, or dates, has slips in it.
_MOSTLY = 0.5
# So many different strings are enough to tell that less than this fraction are numbers, or dates.
_ENOUGH, _FEW = 1000, 0.1
# With more different strings than FEW_STRINGS, and less than the fraction REPEATED of its rows sharing theirs with
# another row, a column names its rows.
FEW_STRINGS, REPEATED = 20, 0.2
# What str.strip removes, as the runtime does; Arrow's own set is smaller.
_WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
_DIGITS, _DECIMAL, _LEADING_ZERO = r"^[0-9]+$", r"^[0-9]*[.,][0-9]+$", r"^0[0-9]+$"


class RawColumn:
    """The cells of one column, as the file has them.

    Attributes:
        name: the name in the header.
        cells: the cells; strings are without the white space around them, and null if they are missing-value words.
            Those that come as a dictionary stay one, in one chunk.
        spellings: if they are strings, strings among which each different cell is: the cells, or their dictionary.
        holds_strings: whether they are strings.
        missing_count: how many cells have no value.
    """

    def __init__(
        self,
        name: str,
        cells: pa.ChunkedArray,
        path: object,
        is_target: bool = False,
        decimal: str | None = None,
        date_order: Order | None = None,
    ) -> None:
        """Take the cells of the column `name` of the table at `path`.

        Args:
            name: the name in the header.
            cells: of any of Arrow's types, shape (rows,).
            path: what messages call the table.
            is_target: whether the column is to be predicted: messages then advise other options.
            decimal: the decimal mark of numbers in text, if it is known: it decides where nothing in the column does.
            date_order: the order of day and month of dates in text, likewise.
        """
        self.name, self._path, self.is_target = name, path, is_target
        self._decimal, self._date_order = decimal, date_order
        self.cells = _simplified(cells)
        is_dictionary = pa.types.is_dictionary(self.cells.type)
        self.spellings = pa.chunked_array([self.cells.chunk(0).dictionary]) if is_dictionary else self.cells
        self.holds_strings = pa.types.is_string(self.spellings.type)
        self.missing_count = pc.sum(pc.is_null(self.cells, nan_is_null=True)).as_py() or 0

    @functools.cached_property
    def is_numeric(self) -> bool:
        """Whether the cells are numbers, or strings that are numbers but for slips."""
        kind = self.cells.type
        if self.holds_strings:
            if self.is_identifier or self.words is not None:
                return False
            return self.is_plain or self.number_form.share > _MOSTLY or _are_mostly_numbers(self.spellings)
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))

    @functools.cached_property
    def is_boolean(self) -> bool:
        """Whether the cells are booleans, or the strings true and false, yes and no or the like, in any case."""
        return self.words is not None if self.holds_strings else bool(pa.types.is_boolean(self.cells.type))

    @functools.cached_property
    def is_identifier(self) -> bool:
        """Whether the cells are strings of digits, some with zeros before them: 007 and 7 are two of them."""
        if not self.holds_strings or not pc.any(pc.match_substring_regex(self.spellings, _LEADING_ZERO)).as_py():
            return False
        if pc.any(pc.match_substring_regex(self.encoded.dictionary, _DECIMAL)).as_py():
            return False
        return bool(
            pc.mean(pc.cast(pc.match_substring_regex(self.encoded.dictionary, _DIGITS), pa.int8())).as_py() > _MOSTLY
        )

    @functools.cached_property
    def is_date(self) -> bool:
        """Whether the cells are dates, or strings that are dates but for slips."""
        if not self.holds_strings:
            return bool(pa.types.is_date(self.cells.type) or pa.types.is_timestamp(self.cells.type))
        return self.date_form.order is not None and self.date_form.share > _MOSTLY

    @functools.cached_property
    def words(self) -> tuple[str, str] | None:
        """The words for false and true, if the cells are nothing else."""
        # Columns of numbers and dates have so many that encoding them would be in vain.
        few = pc.unique(self.spellings[: 10 * MOST_SPELLINGS]).drop_null()
        if not self.holds_strings or len(few) > MOST_SPELLINGS or not boolean_words(few.to_pylist() or ["true"]):
            return None
        words = self.encoded.dictionary.to_pylist()
        return boolean_words(words) if words else None

    @functools.cached_property
    def number_form(self) -> NumberForm:
        """How the numbers among the strings are written."""
        if self.is_plain:
            notation = Notation(decimal=",") if self._decimal == "," else None
            return NumberForm(notation, 1.0)
        some = number_form(self.encoded.dictionary[:_ENOUGH], self._decimal)
        is_enough = len(self.encoded.dictionary) <= _ENOUGH or (some.share < _FEW and not some.problem)
        return some if is_enough else number_form(self.encoded.dictionary, self._decimal)

    @functools.cached_property
    def date_form(self) -> DateForm:
        """How the dates among the strings are written."""
        some = date_form(self.encoded.dictionary[:_ENOUGH], self._date_order)
        is_enough = len(self.encoded.dictionary) <= _ENOUGH or some.share < _FEW
        return some if is_enough else date_form(self.encoded.dictionary, self._date_order)

    @functools.cached_property
    def reason_to_drop(self) -> str | None:
        """Why nothing can be learned from the cells by themselves; None if something can."""
        if self.missing_count == len(self.cells):
            return "no value in any row"
        if self.is_boolean or self.is_numeric or self.is_date:
            return None
        if not self.holds_strings:
            return f"columns of type {self.cells.type} are not supported"
        rows = np.bincount(self.encoded.indices.drop_null())
        if len(rows) <= FEW_STRINGS or rows[rows > 1].sum() >= REPEATED * rows.sum():
            return None
        kinds = "identifiers with leading zeros" if self.is_identifier else "strings"
        return f"{len(rows):,} different {kinds}, most of them in one row only"

    @functools.cached_property
    def encoded(self) -> pa.DictionaryArray:
        """The different cells, and the place of each cell among them."""
        return encoded_cells(self.cells)

    @functools.cached_property
    def is_plain(self) -> bool:
        """Whether the strings are numbers as programs write them, and the file's decimal mark does not contradict."""
        if self.cast is None or not self.holds_strings:
            return False
        return self._decimal != "," or not pc.any(pc.match_substring(self.spellings, ".")).as_py()

    @functools.cached_property
    def cast(self) -> pa.ChunkedArray | None:
        """The numbers by Arrow's rules; None if a cell is not a number by those."""
        try:
            numbers = pc.cast(self.spellings, pa.float64(), safe=False)
        except pa.ArrowException:
            return None
        return numbers if self.spellings is self.cells else numbers.take(self.encoded.indices)

    def refuse(self, row: int, reason: str) -> NoReturn:
        """Raise TableError for the cell at `row`, from 0."""
        try:
            cell = repr(self.cells[row].as_py())
        except (OverflowError, ValueError):  # a timestamp that no datetime holds
            cell = str(self.cells[row].cast(pa.int64()))
        raise TableError(f"{self._path} row {row + 1}: {self.name} is {cell[:60]}, {reason}")

    def unusable(self, problem: str, separator: str = "; ") -> TableError:
        """The error for a column that cannot be taken as it has to be."""
        advice = "" if self.is_target else f"{separator}drop the column with --drop {shlex.quote(self.name)}"
        return TableError(f"{self._path}: {self.name} {problem}{advice}")


def encoded_cells(cells: pa.ChunkedArray) -> pa.DictionaryArray:
    """The different cells, and the place of each cell among them."""
    return cells.chunk(0) if pa.types.is_dictionary(cells.type) else pc.dictionary_encode(cells).combine_chunks()


def _simplified(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells of a plain type; strings without the white space around them, null if they stand for a missing value."""
    if pa.types.is_dictionary(cells.type):
        if is_text(cells.type.value_type):
            return _simplified_dictionary(cells)
        cells = cells.cast(cells.type.value_type)
    return _trimmed(cells.cast(pa.string())) if is_text(cells.type) else cells


def _simplified_dictionary(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same of strings in dictionaries: what is not used, or becomes equal, is not in the new one."""
    whole = cells.unify_dictionaries().combine_chunks() if cells.num_chunks else pa.array([], cells.type)
    used = pc.unique(whole.indices).drop_null()
    words = pc.dictionary_encode(_trimmed(whole.dictionary.take(used).cast(pa.string())))
    indices = words.indices.take(pc.index_in(whole.indices, used))
    return pa.chunked_array([pa.DictionaryArray.from_arrays(indices, words.dictionary)])


def _trimmed(cells: Any) -> Any:
    """Strings without the white space around them, null if they stand for a missing value."""
    trimmed = pc.utf8_trim(cells, _WHITE_SPACE)
    return pc.if_else(pc.is_in(trimmed, pa.array(sorted(MISSING_WORDS))), None, trimmed)


def _are_mostly_numbers(cells: pa.ChunkedArray) -> bool:
    words: set[str] = set()
    for chunk in cells.chunks:
        words.update(pc.unique(chunk).drop_null().to_pylist())
        if len(words) > _ENOUGH:
            break
    return sum(map(is_number, words)) > _MOSTLY * len(words)
