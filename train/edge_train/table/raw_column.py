"""One column as it is in the file: what its cells look like, and the same cells as numbers, booleans or categories."""

import functools
import re
import shlex
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.values import (
    BOOLEAN_WORDS,
    FLOAT32_MAX,
    MISSING_WORDS,
    category_string,
    is_number,
    parse_number,
)
from edge_train.errors import TableError

# A column in which more than this fraction of the different strings are numbers is one of numbers with slips in it.
_MOSTLY = 0.5
# With more different strings than this, and one of its own in more than half of the rows, a column names its rows.
_FEW_STRINGS = 20
# Fewer steps of float32 between the smallest and the largest number, and it may not tell the numbers apart.
_FEWEST_STEPS = 1000
# What str.strip removes, as the runtime does; Arrow's own set is smaller.
_WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
# As Python writes them, so that 007 stays a string; so does a code of more digits.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


class RawColumn:
    """The cells of one column, as the file has them.

    Attributes:
        name: the name in the header.
        cells: the cells; strings are without the white space around them, and null if they are missing-value words.
        holds_strings: whether they are strings.
        missing_count: how many cells have no value.
    """

    def __init__(self, name: str, cells: pa.ChunkedArray, path: object, is_target: bool = False) -> None:
        """Take the cells of the column `name` of the table at `path`.

        Args:
            name: the name in the header.
            cells: of any of Arrow's types, shape (rows,).
            path: what messages call the table.
            is_target: whether the column is to be predicted: messages then advise other options.
        """
        self.name, self._path, self._is_target = name, path, is_target
        self.cells = _simplified(cells)
        self.holds_strings = pa.types.is_string(self.cells.type)
        self.missing_count = pc.sum(pc.is_null(self.cells, nan_is_null=True)).as_py() or 0

    @functools.cached_property
    def is_numeric(self) -> bool:
        """Whether the cells are numbers, or strings that are numbers but for slips."""
        kind = self.cells.type
        if self.holds_strings:
            return self._cast is not None or _are_mostly_numbers(self.cells)
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))

    @functools.cached_property
    def is_boolean(self) -> bool:
        """Whether the cells are booleans, or the strings true and false in any case."""
        return _are_boolean_words(self.cells) if self.holds_strings else bool(pa.types.is_boolean(self.cells.type))

    @functools.cached_property
    def reason_to_drop(self) -> str | None:
        """Why nothing can be learned from the cells by themselves; None if something can."""
        kind = self.cells.type
        if self.missing_count == len(self.cells):
            return "no value in any row"
        if pa.types.is_temporal(kind):
            return "dates and times are not supported"
        if self.is_boolean or self.is_numeric:
            return None
        if not self.holds_strings:
            return f"columns of type {kind} are not supported"
        different = pc.count_distinct(self.cells).as_py()
        if different > max(_FEW_STRINGS, (len(self.cells) - self.missing_count) / 2):
            return f"{different:,} different strings, most of them in one row only"
        return None

    def booleans(self) -> npt.NDArray[np.float32]:
        """The cells of a column that `is_boolean`, shape (rows,): 1 for true, 0 for false, NaN if missing."""
        cells = pc.equal(pc.utf8_lower(self.cells), "true") if self.holds_strings else self.cells
        return np.asarray(cells.cast(pa.float32()).to_numpy(), np.float32)

    def numbers(self) -> npt.NDArray[np.float32]:
        """The cells as numbers, even if they look like something else, shape (rows,); NaN if missing.

        Raises:
            TableError: a cell is not a finite number that float32 holds, no cell has a value, or float32 cannot tell
                the values apart.
        """
        numbers = self._parsed() if self._cast is None else self._cast
        wide: npt.NDArray[np.float64] = numbers.to_numpy().astype(np.float64, copy=False)
        bad = np.isinf(wide) | (np.abs(wide) > FLOAT32_MAX)
        if bad.any():
            self._refuse(int(bad.argmax()), "not a finite number within float32's range; fix the cell, or empty it")
        known = wide[~np.isnan(wide)]
        if not len(known):
            raise self._unusable("has no value in any row")
        if (problem := _resolution_problem(known)) is not None:
            raise self._unusable(problem, ", or ")
        return wide.astype(np.float32)

    def categories(self) -> tuple[npt.NDArray[np.int32], tuple[str, ...] | tuple[int, ...]]:
        """The cells as categories, even if they look like something else.

        Returns:
            Places in the categories, shape (rows,), -1 if missing; and the categories, sorted: integers if all of them
            are, else strings.

        Raises:
            TableError: no cell has a value, or the cells are of a type that cannot be categories.
        """
        if self.missing_count == len(self.cells):
            raise self._unusable("has no value in any row")
        encoded = _encoded(self._strings())
        found = encoded.dictionary.to_pylist()
        if isinstance(found[0], str):
            if null := [place for place, category in enumerate(found) if "\0" in category]:
                self._refuse(pc.index(encoded.indices, null[0]).as_py(), "a string with a null in it; fix the cell")
            if all(map(_INTEGER.fullmatch, found)):
                found = list(map(int, found))
        order = sorted(range(len(found)), key=found.__getitem__)
        # The last one is where the index -1 of a missing value leads.
        places = np.full(len(found) + 1, -1, np.int32)
        places[order] = np.arange(len(found), dtype=np.int32)
        indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        return places[indices], tuple(found[place] for place in order)

    @functools.cached_property
    def _cast(self) -> pa.ChunkedArray | None:
        """The numbers by Arrow's rules; None if a cell is not a number by those."""
        try:
            return pc.cast(self.cells, pa.float64(), safe=False)
        except pa.ArrowException:
            return None

    def _parsed(self) -> pa.ChunkedArray:
        """The numbers by Python's rules, which accept more than Arrow's ("+1")."""
        if not self.holds_strings:
            raise self._unusable(f"holds {self.cells.type}, not numbers")
        encoded = _encoded(self.cells)
        numbers = []
        for place, word in enumerate(encoded.dictionary.to_pylist()):
            try:
                numbers.append(parse_number(word))
            except InvalidInput as error:
                row = pc.index(encoded.indices, place).as_py()
                categories = f"categories with --categorical {shlex.quote(self.name)}"
                advice = "classes with --task classification" if self._is_target else categories
                problem = "too large for float32" if str(error).endswith("float32") else "not a number"
                self._refuse(row, f"{problem}; fix the cell, or take the column as {advice}")
        return pa.chunked_array([pa.array(numbers, pa.float64()).take(encoded.indices)])

    def _strings(self) -> pa.ChunkedArray:
        """The cells as the runtime spells them in categories; integers stay integers."""
        if self.holds_strings or pa.types.is_integer(self.cells.type):
            return self.cells
        if pa.types.is_boolean(self.cells.type):
            return pc.cast(self.cells, pa.string())
        # Integers with missing values are floating-point numbers in many files.
        if self.is_numeric:
            return _strings_of_numbers(self.cells)
        raise self._unusable(f"holds {self.cells.type}, which cannot be categories")

    def _refuse(self, row: int, reason: str) -> NoReturn:
        cell = repr(self.cells[row].as_py())
        raise TableError(f"{self._path} row {row + 1}: {self.name} is {cell[:60]}, {reason}")

    def _unusable(self, problem: str, separator: str = "; ") -> TableError:
        advice = "" if self._is_target else f"{separator}drop the column with --drop {shlex.quote(self.name)}"
        return TableError(f"{self._path}: {self.name} {problem}{advice}")


def _are_boolean_words(cells: pa.ChunkedArray) -> bool:
    words = pc.is_in(pc.utf8_lower(cells), pa.array(list(BOOLEAN_WORDS)), skip_nulls=True)
    return bool(pc.all(pc.or_(words, pc.is_null(cells))).as_py())


def _are_mostly_numbers(cells: pa.ChunkedArray) -> bool:
    words: set[str] = set()
    for chunk in cells.chunks:
        words.update(pc.unique(chunk).drop_null().to_pylist())
        # A thousand are enough to tell: a column may have millions.
        if len(words) > 1000:
            break
    return sum(map(is_number, words)) > _MOSTLY * len(words)


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


def _strings_of_numbers(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floating-point numbers as the runtime spells them in categories."""
    numbers = cells.cast(pa.float64()) if pa.types.is_decimal(cells.type) else cells
    found, places = np.unique(numbers.to_numpy(), return_inverse=True)
    strings: list[Any] = [None if np.isnan(number) else category_string(number) for number in found]
    return pa.chunked_array([pa.array(strings, pa.string()).take(pa.array(places))])


def _encoded(cells: pa.ChunkedArray) -> pa.DictionaryArray:
    """The different cells, and the place of each cell among them."""
    return pc.dictionary_encode(cells).combine_chunks()


def _simplified(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells of a plain type; strings without the white space around them, null if they stand for a missing value."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if pa.types.is_large_string(cells.type) or pa.types.is_string_view(cells.type):
        cells = cells.cast(pa.string())
    if not pa.types.is_string(cells.type):
        return cells
    trimmed = pc.utf8_trim(cells, _WHITE_SPACE)
    return pc.if_else(pc.is_in(trimmed, pa.array(sorted(MISSING_WORDS))), None, trimmed)
