"""What one value of a row means: numbers, words, gaps. The one set of rules, for training and for every way in.

A tensor of numbers holds NaN for a gap, true as 1 and false as 0; a tensor of texts the empty text for a gap. Errors do
not name the feature: whoever knows where the value stands puts that before them.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature

FLOAT32_MAX = 3.4028234663852886e38  # of float32, the type of a number in a tensor

# A text that says that there is no value, once white space around it is gone.
MISSING_WORDS = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "?"})

# The same, in any case, for a truth.
BOOLEAN_WORDS = {"true": True, "false": False}

# pandas.NA and numpy.ma.masked equal nothing, not even in a way that could be asked for without their packages.
_MISSING_TYPES = frozenset({"NAType", "MaskedConstant"})


def parse_number(text: str) -> float:
    """`text` as a number that float32 holds: decimal or scientific notation, "nan" and "inf" included.

    Raises:
        InvalidInput: it is none. Python's digit grouping (1_000) counts as none: in data it is far more often a typo.
    """
    try:
        number = float(text.replace("_", "?"))
    except ValueError:
        raise InvalidInput(f"{text.strip()!r} is no number" if text.strip() else "the value is empty") from None
    # 1e400 is no infinity, and 1e300 would become one.
    if abs(number) > FLOAT32_MAX and "inf" not in text.lower():
        raise InvalidInput(f"{text.strip()} does not fit float32")
    return number


def is_number(text: str) -> bool:
    """Whether `parse_number` takes it."""
    try:
        parse_number(text)
    except InvalidInput:
        return False
    return True


def is_missing(value: Any) -> bool:
    """Whether `value` stands for none: one of `MISSING_WORDS`, None, NaN or NaT of any type, pandas.NA, masked."""
    if isinstance(value, str):
        return value.strip() in MISSING_WORDS
    if value is None or type(value).__name__ in _MISSING_TYPES:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # an array has no one answer to that
        return False


def read_word(word: str, feature: Feature) -> float | str:
    """What the tensor holds for a word: a cell of a CSV file, an argument at the shell.

    Raises:
        InvalidInput: it is no value of this feature, or a gap where the model takes none.
    """
    if feature.kind == "numeric" and (feature.missing is None or not is_missing(word)):
        return parse_number(word)
    return read_value(word, feature)


def read_value(value: Any, feature: Feature) -> float | str:
    """What the tensor holds for a value of any type: the rules for `read_word`, but that a text is no number.

    Raises:
        InvalidInput: it is no value of this feature, or a gap where the model takes none.
    """
    if is_missing(value):
        if feature.missing is not None:
            return "" if feature.kind == "categorical" else math.nan
        # NaN is a number too, which a model without gaps carries to its answer.
        if feature.kind != "numeric" or type(value).__name__ in _MISSING_TYPES:
            raise InvalidInput("the value is missing, and the model takes no gaps there")
    if feature.kind == "numeric":
        return _number(value)
    if feature.kind == "boolean":
        return _truth(value)
    return _code(value) if has_codes(feature) else _category(value, feature)


def has_codes(feature: Feature) -> bool:
    """Whether its categories are integers."""
    return bool(feature.categories) and isinstance(feature.categories[0], int)


def category_string(value: Any) -> str:
    """How a value is spelled as a category: a text without white space around it, 3 and 3.0 as "3", True as "true".

    Raises:
        InvalidInput: it is neither a text nor a number, or a text that no tensor holds.
    """
    if isinstance(value, str):
        text = value.strip()
        # ONNX Runtime takes UTF-8, and a null for the end of it.
        if "\0" in text or not _is_utf8(text):
            raise InvalidInput(f"{text!r} has a character that no tensor of texts holds")
        return text
    if _is_truth(value):
        return str(bool(value)).lower()
    if not _is_real(value):
        raise InvalidInput(f"{value!r} is neither text nor number")
    try:
        is_whole = value == int(value)
    except (OverflowError, ValueError):  # infinity, NaN
        is_whole = False
    return str(int(value)) if is_whole else str(value)


def row_values(row: Mapping[Any, Any], features: Iterable[Feature]) -> list[Any]:
    """The values of `features` in `row`, by name; None for one that is not there, where training saw gaps.

    Raises:
        InvalidInput: another one is not there; the message names them all.
    """
    try:
        return [row[feature.name] for feature in features]
    except KeyError:
        pass
    absent = [feature.name for feature in features if feature.name not in row and not feature.missing]
    if absent:
        raise InvalidInput(f"missing {', '.join(absent)}")
    return [row.get(feature.name) for feature in features]


def _is_real(value: Any) -> bool:
    # numpy gives every scalar a __float__, texts and dates too; its arrays of one element have a dimension.
    if isinstance(value, str) or not hasattr(type(value), "__float__") or getattr(value, "shape", ()) != ():
        return False
    return getattr(getattr(value, "dtype", None), "kind", "f") in "fiub"


def _number(value: Any) -> float:
    if not _is_real(value):
        raise InvalidInput(f"{value!r} is no number")
    try:
        number = float(value)
    except OverflowError:
        raise InvalidInput("the number does not fit float32") from None
    if abs(number) > FLOAT32_MAX and not math.isinf(number):
        raise InvalidInput(f"{value} does not fit float32")
    return number


def _truth(value: Any) -> float:
    if isinstance(value, str):
        found = BOOLEAN_WORDS.get(value.strip().lower())
        number = float(value) if found is None and is_number(value) else found
    else:
        number = _number(value)
    if number not in (0, 1):
        raise InvalidInput(f"{value!r} is neither true nor false")
    return float(number)


def _category(value: Any, feature: Feature) -> str:
    text = category_string(value)
    if isinstance(value, str) or text in feature.spellings:
        return text
    # "1.0" and "007" are spelled so in the training table, and 1.0 and 7 are the same numbers.
    return feature.spellings.get((bool(value),) if _is_truth(value) else float(value), text)


def _code(value: Any) -> str:
    if isinstance(value, str):
        try:
            return str(int(value.replace("_", "?")))
        except ValueError:
            value = parse_number(value)
    if _is_truth(value) or not _number(value).is_integer():
        raise InvalidInput(f"{value!r} is no integer")
    # Of the value itself: a float does not hold every integer.
    return str(int(value))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
