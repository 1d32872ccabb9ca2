"""One column of a table, gathered block by block in the least memory that keeps what its cells say."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.tables.arrow_arrays import is_text, spelled
from edge_runtime.tables.plain_numbers import numbers_of
from edge_train.errors import TableError

# With fewer different numbers a column is kept as text: it may hold classes or categories, whose spelling counts.
_FEW_NUMBERS = 1000
# Of fewer rows, text is kept as it is.
_FEW_ROWS = 10_000
# So many bytes of blocks become one piece: what is freed in large pieces goes back to the system.
_PIECE = 4 << 20
_POWERS = 10 ** np.arange(1, 19, dtype=np.int64)


class GatheredColumn:
    """The cells of a column, in the order of the blocks.

    Text is gathered as numbers, if no more than numbers can be in it: numbers with a decimal point, or integers that
    are spelled as Python spells them. Other text stays text, each string once if there are few.

    Attributes:
        name: the column's name.
        wanted: what blocks of text are to be parsed as.
        has_changed: whether a block had other cells than the earlier ones let expect. It is to be gathered again.
    """

    def __init__(self, name: str, as_text: bool = False) -> None:
        """Begin with no cells.

        Args:
            name: the column's name.
            as_text: whether text in it stays text in any case.
        """
        self.name, self.wanted, self.has_changed = name, pa.string(), False
        self._as_text = as_text
        self._chunks: list[pa.Array] = []
        self._blocks: list[pa.Array] = []
        self._size = 0
        self._form: str | None = None
        self._has_fractions = False

    def add(self, cells: pa.Array) -> None:
        """Take the cells of the next block."""
        if self.has_changed:
            return
        if pa.types.is_union(cells.type):
            values = cells.to_pylist()
            self._has_fractions |= any(isinstance(value, float) and value % 1 for value in values)
            cells = spelled(values)
        cells = _plain(cells)
        if pa.types.is_string(cells.type):
            cells = self._text(cells)
        elif self._form in ("integers", "numbers"):
            if not (_is_number(cells.type) or pa.types.is_null(cells.type)):
                self._give_up()
                return
            cells = cells.cast(pa.float64())
        if self._blocks and cells.type != self._blocks[0].type:
            self._make_piece()
        self._blocks.append(cells)
        self._size += cells.nbytes
        if self._size > _PIECE:
            self._make_piece()

    def _make_piece(self) -> None:
        # Arrow cannot join all that is nested; nothing is learned from it, so its blocks stay as they are.
        is_nested = pa.types.is_nested(self._blocks[0].type)
        self._chunks += self._blocks if is_nested else [_joined(self._blocks)]
        self._blocks, self._size = [], 0

    def _give_up(self) -> None:
        self.has_changed = True
        self._chunks, self._blocks = [], []

    def _text(self, cells: pa.Array) -> pa.Array:
        if self._form is None:
            self._form = _form_of(cells, self._as_text)
            self.wanted = pa.float64() if self._form == "numbers" else pa.string()
        if self._form == "strings":
            return pc.dictionary_encode(cells)
        if self._form == "text":
            return cells
        numbers = numbers_of(cells)
        if numbers is not None and self._form == "integers":
            numbers = _integers(cells, numbers)
        if numbers is None:
            self._give_up()
            return cells
        return numbers

    def cells(self) -> pa.ChunkedArray:
        """All cells. They are not kept any longer.

        Raises:
            TableError: blocks have values of types that are not one.
        """
        if self._blocks:
            self._make_piece()
        chunks, self._chunks = self._chunks, []
        kinds = list(dict.fromkeys(chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)))
        kind = kinds[0] if len(kinds) == 1 else pa.null() if not kinds else self._common(kinds)
        found = pa.chunked_array([_cast(chunk, kind) for chunk in chunks], kind)
        if self._has_fractions or (is_text(kind) and any(map(pa.types.is_floating, kinds))):
            self._refuse_commas(found)
        return found

    def _refuse_commas(self, cells: pa.ChunkedArray) -> None:
        """Raise TableError for text such as 5,00 among numbers with fractions, which would be read like it."""
        words = pc.unique(cells).cast(pa.string())
        if len(found := words.filter(pc.match_substring_regex(words, r"\d,\d"))):
            raise TableError(
                f"{self.name} has numbers in some rows, and text such as {found[0].as_py()[:60]!r} in others; write "
                "all of them as one"
            )

    def _common(self, kinds: list[pa.DataType]) -> pa.DataType:
        plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
        if all(map(_is_number, plain)):
            return pa.int64() if all(map(pa.types.is_integer, plain)) else pa.float64()
        if all(_is_number(kind) or pa.types.is_boolean(kind) or is_text(kind) for kind in plain):
            return pa.string()
        raise TableError(f"{self.name} is {plain[0]} in some rows, and {plain[1]} in others; make it one of them")


def _plain(cells: pa.Array) -> pa.Array:
    """The same cells, run-end encoded or a dictionary no more; but text that is one becomes one that Arrow can join.

    Arrow joins dictionaries without nulls in them, and as many as their indices can tell apart.
    """
    if pa.types.is_run_end_encoded(cells.type):
        runs = pa.array(np.arange(len(cells.values), dtype=np.int32))
        places = pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(cells.run_ends, runs))
        places, entries = places.slice(cells.offset, len(cells)), cells.values
    elif pa.types.is_dictionary(cells.type):
        places, entries = cells.indices.cast(pa.int32()), cells.dictionary
    else:
        return cells
    if not is_text(entries.type):
        return _plain(entries.take(places))
    entries = entries.cast(pa.string())
    if entries.null_count:
        known = entries.is_valid().to_numpy(zero_copy_only=False)
        places = pa.array(np.cumsum(known, dtype=np.int32) - 1, mask=~known).take(places)
    return pa.DictionaryArray.from_arrays(places, entries.drop_null())


def _joined(blocks: list[pa.Array]) -> pa.Array:
    return pa.chunked_array(blocks).unify_dictionaries().combine_chunks()


def _form_of(cells: pa.Array, as_text: bool) -> str:
    """How text that begins with these cells is kept: as numbers, integers, strings once each, or text."""
    if len(cells) <= _FEW_NUMBERS:
        return "text"
    different = pc.count_distinct(cells).as_py()
    if not as_text and different > _FEW_NUMBERS and (numbers := numbers_of(cells)) is not None:
        if _integers(cells, numbers) is not None:
            return "integers"
        if (
            pc.any(pc.match_substring(cells, ".")).as_py()
            and not pc.any(pc.match_substring_regex(cells, r"^[-+]?0\d")).as_py()
        ):
            return "numbers"
    return "strings" if len(cells) >= _FEW_ROWS and different < len(cells) / 2 else "text"


def _integers(cells: pa.Array, numbers: pa.Array) -> pa.Array | None:
    """The integers in `cells`, of which these are the numbers; None if some are not spelled as Python spells them."""
    try:
        integers = pc.cast(pc.if_else(pc.is_valid(numbers), cells, None), pa.int64())
    except pa.ArrowInvalid:
        return None
    known = integers.drop_null().to_numpy()
    length = pc.binary_length(cells.filter(pc.is_valid(numbers))).to_numpy()
    digits = np.searchsorted(_POWERS, np.abs(known), "right") + 1 + (known < 0)
    return integers if (digits == length).all() else None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _cast(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    if cells.type == kind:
        return cells
    if pa.types.is_string(kind) and _is_number(cells.type):
        # As the runtime spells them in categories.
        found, places = np.unique(cells.cast(pa.float64()).to_numpy(zero_copy_only=False), return_inverse=True)
        return spelled([None if np.isnan(number) else number for number in found]).take(pa.array(places))
    return cells.cast(kind)
