"""What the columns of a table hold: numbers, truth values, categories, gaps; as found, or as a person says."""

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Kind
from edge_runtime.contract.values import (
    BOOLEAN_WORDS,
    FLOAT32_MAX,
    MISSING_WORDS,
    category_string,
    is_number,
    parse_number,
)
from edge_train.errors import TableError

# A column of which more than half of the values are numbers is one of numbers with slips in it.
_MOSTLY = 0.5
# With more values than this, and more than half of the rows having one of their own, a column of texts names its rows.
_FEW_VALUES = 20
_FEWEST_STEPS = 1000
# What str.strip takes away, as the runtime does; Arrow has another opinion of some.
_WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))

# As Python writes them, so that 007 is a text; a code of more digits is one too.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Column:
    """One column of a table, ready to learn from.

    Attributes:
        name: as in the header.
        kind: what it holds.
        values: shape (rows,); float32 with NaN for gaps, true being 1 and false 0; of the categorical kind int32, the
            places in `words`, -1 for gaps.
        words: the categories in their order, all texts or all integers; empty for other kinds.
    """

    name: str
    kind: Kind
    values: npt.NDArray[Any]
    words: tuple[str, ...] | tuple[int, ...] = ()

    @property
    def gaps(self) -> npt.NDArray[np.bool_]:
        """Where there is no value, shape (rows,)."""
        return np.isnan(self.values) if self.kind != "categorical" else self.values < 0


@dataclass(frozen=True)
class DroppedColumn:
    """A column that nothing is learned from, and why."""

    name: str
    reason: str


def find_columns(
    table: pa.Table, path: object, numeric: Collection[str] = (), categorical: Collection[str] = ()
) -> list[Column | DroppedColumn]:
    """The columns of `table`, each as what it holds.

    Args:
        table: as `read_table` gives it, without the target. Where nobody else holds it, each column's memory is free
            again once it is converted.
        path: what to call the table in messages.
        numeric: columns that hold numbers, whatever is found.
        categorical: columns that hold categories, whatever is found.

    Raises:
        TableError: a column that holds numbers, or is said to, has a cell that is none, or not finite, or that float32
            does not hold; the message names the row.
    """
    found: list[Column | DroppedColumn] = []
    for name in table.column_names:
        cells = Cells(name, table[name], path)
        table = table.drop_columns([name])
        if name in categorical:
            found.append(cells.categories())
        elif name in numeric:
            found.append(cells.numbers())
        else:
            found.append(cells.found())
    return found


class Cells:
    """The cells of one column, to be taken as what they hold, or as what a person says.

    The methods raise TableError where they cannot be taken so; the message names the row.
    """

    def __init__(self, name: str, cells: pa.ChunkedArray, path: object, otherwise: str | None = None) -> None:
        """Take the cells of the column `name` of `path`.

        Args:
            name: as in the header.
            cells: of any of Arrow's types.
            path: what to call the table in messages.
            otherwise: what else a person can do where a cell is no number; by default, say that they are categories.
        """
        self.name, self._path = name, path
        self._otherwise = otherwise or f"take the column as texts with --categorical {name!r}"
        if pa.types.is_dictionary(cells.type):
            cells = cells.cast(cells.type.value_type)
        if pa.types.is_large_string(cells.type) or pa.types.is_string_view(cells.type):
            cells = cells.cast(pa.string())
        self.holds_strings = pa.types.is_string(cells.type)
        self.cells = _without_missing_words(cells) if self.holds_strings else cells
        self.gaps = self.cells.null_count
        if pa.types.is_floating(cells.type):
            self.gaps += pc.sum(pc.is_nan(cells)).as_py() or 0

    @functools.cached_property
    def is_numeric(self) -> bool:
        """Whether they are numbers, or texts that are, but for slips."""
        kind = self.cells.type
        if self.holds_strings:
            return self._is_mostly_numeric()
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))

    def found(self) -> Column | DroppedColumn:
        """As what the cells look like."""
        kind = self.cells.type
        if self.gaps == len(self.cells):
            return DroppedColumn(self.name, "no value in any row")
        if pa.types.is_temporal(kind):
            return DroppedColumn(self.name, "dates and times are not learned from as they are")
        if pa.types.is_boolean(kind) or (self.holds_strings and self._is_boolean()):
            column = self._booleans()
        elif self.is_numeric:
            column = self.numbers()
        elif self.holds_strings:
            different = pc.count_distinct(self.cells).as_py()
            if different > max(_FEW_VALUES, (len(self.cells) - self.gaps) / 2):
                return DroppedColumn(self.name, f"{different:,} different texts, hardly one of them twice")
            column = self.categories()
        else:
            return DroppedColumn(self.name, f"{kind} is nothing that can be learned from")
        if not self.gaps and (column.values == column.values[0]).all():
            return DroppedColumn(self.name, "the same value in every row")
        return column

    def numbers(self) -> Column:
        """As numbers, whatever they look like."""
        numbers = self._parsed() if self._cast is None else self._cast
        wide = numbers.to_numpy().astype(np.float64, copy=False)
        bad = np.isinf(wide) | (np.abs(wide) > FLOAT32_MAX)
        if bad.any():
            self._refuse(int(bad.argmax()), "a finite number that float32 holds is needed; mend the cell, or empty it")
        known = wide[~np.isnan(wide)]
        if not len(known):
            raise TableError(f"{self._path}: {self.name} has no value in any row; leave it out with --drop")
        self._check_resolution(known)
        return Column(self.name, "numeric", wide.astype(np.float32))

    def categories(self) -> Column:
        """As categories: of integers, if all of them are, else of texts."""
        cells = self.cells
        if pa.types.is_floating(cells.type) or pa.types.is_decimal(cells.type):
            # Integers with gaps are floats in many a file.
            cells = self._texts_of_numbers()
        elif pa.types.is_boolean(cells.type):
            cells = pc.cast(cells, pa.string())
        elif not self.holds_strings and not pa.types.is_integer(cells.type):
            raise TableError(
                f"{self._path}: {self.name} holds {cells.type}, which are no categories; leave it out with --drop"
            )
        encoded = _encoded(cells)
        words = encoded.dictionary.to_pylist()
        if not words:
            raise TableError(f"{self._path}: {self.name} has no value in any row; leave it out with --drop")
        if isinstance(words[0], str):
            if broken := [place for place, word in enumerate(words) if "\0" in word]:
                self._refuse(pc.index(encoded.indices, broken[0]).as_py(), "no text has a null in it; mend the cell")
            if all(map(_INTEGER.fullmatch, words)):
                words = list(map(int, words))
        order = sorted(range(len(words)), key=words.__getitem__)
        places = np.empty(len(words) + 1, np.int32)
        places[order] = np.arange(len(words), dtype=np.int32)
        places[-1] = -1
        indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        return Column(self.name, "categorical", places[indices], tuple(words[place] for place in order))

    def _booleans(self) -> Column:
        cells = pc.equal(pc.utf8_lower(self.cells), "true") if self.holds_strings else self.cells
        return Column(self.name, "boolean", cells.cast(pa.float32()).to_numpy())

    def _is_boolean(self) -> bool:
        words = pc.is_in(pc.utf8_lower(self.cells), pa.array(list(BOOLEAN_WORDS)), skip_nulls=True)
        return bool(pc.all(pc.or_(words, pc.is_null(self.cells))).as_py())

    def _is_mostly_numeric(self) -> bool:
        if self._cast is not None:
            return True
        words: set[str] = set()
        for chunk in self.cells.chunks:
            words.update(pc.unique(chunk).drop_null().to_pylist())
            # A thousand tell; a column of millions of texts need not be gone through.
            if len(words) > 1000:
                break
        return sum(map(is_number, words)) > _MOSTLY * len(words)

    @functools.cached_property
    def _cast(self) -> pa.ChunkedArray | None:
        """The numbers by Arrow's rules; None if a cell is none by those."""
        try:
            return pc.cast(self.cells, pa.float64(), safe=False)
        except pa.ArrowException:
            return None

    def _parsed(self) -> pa.ChunkedArray:
        """The numbers by Python's rules, which are wider than Arrow's ("+1"), or an error at the first that is none."""
        if not self.holds_strings:
            raise TableError(
                f"{self._path}: {self.name} holds {self.cells.type}, which are no numbers; leave it out with --drop"
            )
        encoded = _encoded(self.cells)
        numbers = []
        for place, word in enumerate(encoded.dictionary.to_pylist()):
            try:
                numbers.append(parse_number(word))
            except InvalidInput:
                row = pc.index(encoded.indices, place).as_py()
                self._refuse(row, f"no number that float32 holds; mend the cell, or {self._otherwise}")
        return pa.chunked_array([pa.array(numbers, pa.float64()).take(encoded.indices)])

    def _texts_of_numbers(self) -> pa.ChunkedArray:
        """Floating-point numbers as the runtime spells them in categories."""
        cells = self.cells.cast(pa.float64()) if pa.types.is_decimal(self.cells.type) else self.cells
        found, places = np.unique(cells.to_numpy(), return_inverse=True)
        try:
            texts = [None if np.isnan(number) else category_string(number) for number in found]
        except InvalidInput as error:
            raise TableError(f"{self._path}: {self.name}: {error}; leave it out with --drop") from error
        return pa.chunked_array([pa.array(texts, pa.string()).take(pa.array(places))])

    def _refuse(self, row: int, reason: str) -> NoReturn:
        cell = repr(self.cells[row].as_py())
        raise TableError(f"{self._path} row {row + 1}: {self.name} is {cell[:60]}: {reason}")

    def _check_resolution(self, numbers: npt.NDArray[np.float64]) -> None:
        """Refuse differences that float32 does not hold, or hardly, such as those of seconds since 1970 in a minute."""
        low, high = numbers.min(), numbers.max()
        if high - low > FLOAT32_MAX:
            raise TableError(
                f"{self._path}: {self.name} runs from {low:.6g} to {high:.6g}, and float32 does not hold how far that "
                "is; divide the column by a constant, or leave it out with --drop"
            )
        steps = (high - low) / np.spacing(np.float32(max(abs(low), abs(high))))
        if steps < _FEWEST_STEPS and len(np.unique(numbers)) > len(np.unique(numbers.astype(np.float32))):
            raise TableError(
                f"{self._path}: {self.name} runs from {low:.10g} to {high:.10g}, and float32 cannot tell its values "
                "apart; subtract a constant from the column, or leave it out with --drop"
            )


def _encoded(cells: pa.ChunkedArray) -> pa.DictionaryArray:
    """The different cells, and where each of all stands among them."""
    encoded = pc.dictionary_encode(cells).combine_chunks()
    return encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded


def _without_missing_words(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts without the white space around them, those that stand for a gap being null."""
    trimmed = pc.utf8_trim(cells, _WHITE_SPACE)
    return pc.if_else(pc.is_in(trimmed, pa.array(sorted(MISSING_WORDS))), None, trimmed)
