"""Columns of Arrow as the text of CSV and JSON, column by column, without a step in Python for each cell.

Numbers have the shortest digits that give the same number of their own precision again. A floating number that is whole
has `.0`, so that whoever reads a column does not take it for integers.
"""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import json_string, one_line, printable
from edge_runtime.tables.arrow_arrays import of_strings

# What JSON text holds as it is, in ASCII; the rest is looked at one distinct value at a time.
_NOT_PLAIN = r"[^ !#-\[\]-~]"
_WHOLE = r"^-?[0-9]+$"
# Below it Python writes an exponent: after 0. and so many zeros these.
_SMALL = 1e-4
_EXPONENTS = of_strings(["", "", *(f"e-{zeros + 1:02}" for zeros in range(6))])


def csv_cells(column: Any, delimiter: str, is_shown: bool = False) -> Any:
    """The cells of a column, an array of strings without nulls: a missing value is an empty cell.

    Args:
        column: the column.
        delimiter: the character between cells.
        is_shown: whether they are for a terminal, so that what is not printable is escaped.

    Raises:
        InvalidInput: text in it is not UTF-8.
    """
    text = _as_text(column)
    if _may_need_care(column.type):
        if is_shown:
            text = _each_distinct(text, printable)
        special = pc.match_substring_regex(text, f'["\r\n{_in_class(delimiter)}]')
        if pc.any(special).as_py():
            doubled = pc.replace_substring(text, '"', '""')
            quoted = pc.binary_join_element_wise('"', doubled, '"', "")
            text = pc.if_else(special, quoted, text)
    return pc.fill_null(text, "")


def json_values(column: Any) -> Any:
    """The values of a column as JSON, an array of strings without nulls.

    Raises:
        InvalidInput: text in it is not UTF-8.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        # Old versions of Arrow look for infinity in no float16.
        numbers = column.cast(pa.float32()) if pa.types.is_float16(kind) else column
        text = pc.if_else(pc.is_finite(numbers), _as_text(column), "null")
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        text = _as_text(column)
    elif pa.types.is_nested(kind):
        text = _as_json(column)
    else:
        text = _as_text(column)
        if pc.any(pc.match_substring_regex(text, _NOT_PLAIN)).as_py():
            text = _each_distinct(text, json_string)
        else:
            text = pc.binary_join_element_wise('"', text, '"', "")
    return pc.fill_null(text, "null")


def joined(*parts: Any) -> memoryview:
    """UTF-8 text of columns of strings without nulls and of strings between them, row by row."""
    lines = pc.binary_join_element_wise(*parts, "")
    # The text of an array of strings lies in one piece.
    start, end = lines.offset, lines.offset + len(lines)
    offsets = memoryview(lines.buffers()[1]).cast("q" if pa.types.is_large_string(lines.type) else "i")
    return memoryview(lines.buffers()[2])[offsets[start] : offsets[end]] if len(lines) else memoryview(b"")


def _may_need_care(kind: Any) -> bool:
    """Whether the text of such a column may hold what has a meaning in CSV, or on a terminal."""
    return not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _in_class(character: str) -> str:
    return f"\\{character}" if character in "]\\^-" else character


def _as_text(column: Any) -> Any:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column
    if pa.types.is_float16(kind):
        column = column.cast(pa.float32())
    if pa.types.is_nested(kind):
        return _as_json(column)
    try:
        text = column.cast(pa.string())
    except pa.ArrowException as error:
        raise InvalidInput(f"a kept column cannot be written as text: {one_line(error)}") from error
    if pa.types.is_floating(kind):
        # Few columns hold one, and to look at the numbers is faster than to look at the text.
        whole = pc.fill_null(pc.equal(column, pc.floor(column)), False)
        if pc.any(whole).as_py():
            few = text.filter(whole)
            few = pc.if_else(pc.match_substring_regex(few, _WHOLE), pc.binary_join_element_wise(few, ".0", ""), few)
            text = pc.replace_with_mask(text, whole, few)
        text = _with_exponents(column, text)
    return text


def _with_exponents(column: Any, text: Any) -> Any:
    """Numbers near 0 as Python writes them, and so the row-by-row answers: 2.5e-06 for 0.0000025, 1e-07 for 1e-7."""
    small = pc.fill_null(pc.and_(pc.less(pc.abs(column), _SMALL), pc.not_equal(column, 0)), False)
    if not pc.any(small).as_py():
        return text
    few = text.filter(small)
    # Arrow writes an exponent itself below a millionth, of one digit if that is enough.
    has_one_digit = pc.equal(pc.utf8_slice_codeunits(few, -2, -1), "-")
    padded = pc.if_else(has_one_digit, pc.replace_substring(few, "e-", "e-0"), few)
    digits = pc.ascii_ltrim(few, "-0.")
    first, others = pc.utf8_slice_codeunits(digits, 0, 1), pc.utf8_slice_codeunits(digits, 1)
    point = pc.if_else(pc.equal(others, ""), "", ".")
    sign = pc.if_else(pc.starts_with(few, "-"), "-", "")
    # Of 0.0000025 the 0. and five zeros.
    before = pc.subtract(pc.subtract(pc.binary_length(few), pc.binary_length(digits)), pc.binary_length(sign))
    exponent = _EXPONENTS.take(pc.min_element_wise(pc.max_element_wise(before, 0), len(_EXPONENTS) - 1))
    written = pc.binary_join_element_wise(sign, first, point, others, exponent, "")
    few = pc.if_else(pc.match_substring(few, "e"), padded, written)
    return pc.replace_with_mask(text, small, few)


def _as_json(column: Any) -> Any:
    try:
        values = column.to_pylist()
    except (ArithmeticError, ValueError, LookupError, pa.ArrowException) as error:
        raise InvalidInput(f"a kept column cannot be written as text: {one_line(error)}") from error
    texts = (None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values)
    return pa.array(texts, pa.string())


def _each_distinct(text: Any, change: Callable[[str], str]) -> Any:
    encoded = text.dictionary_encode()
    words = pa.array([change(word) for word in encoded.dictionary.to_pylist()], pa.string())
    return words.take(encoded.indices)
