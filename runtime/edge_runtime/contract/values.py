"""What one value of a row means: one set of rules, for training and for every way in.

A tensor of numbers holds NaN for a missing value, 1 for true and 0 for false. A tensor of strings holds the empty
string for a missing value. Errors do not name the feature: the caller knows it, and puts its name before the message.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.terminal import shortened, suggestion

FLOAT32_MAX = 3.4028234663852886e38  # of float32, the type of a number in a tensor

# Strings that stand for a missing value, once white space around them is gone.
MISSING_WORDS = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "?"})

# Strings that stand for a boolean, in any case, once white space around them is gone.
BOOLEAN_WORDS = {"true": True, "false": False}

# pandas.NA and numpy.ma.masked equal nothing, and only their packages could tell what they are.
_MISSING_TYPES = frozenset({"NAType", "MaskedConstant"})

# How many names an error compares, so that a table of thousands of columns is refused at once too.
_COMPARED = 50


def parse_number(text: str) -> float:
    """`text` as a number that float32 holds: decimal or scientific notation, "nan" and "inf" included.

    Raises:
        InvalidInput: it is not such a number. Python's digit grouping (1_000) is refused: in data it is far more often
            a typo.
    """
    try:
        number = float(text.replace("_", "?"))
    except ValueError:
        text = text.strip()
        raise InvalidInput(f"{_shown(text)} is not a number" if text else "the value is empty") from None
    # 1e400 is not infinity, and 1e300 would become it.
    if abs(number) > FLOAT32_MAX and "inf" not in text.lower():
        raise InvalidInput(f"{shortened(text.strip())} does not fit float32")
    return number


def is_number(text: str) -> bool:
    """Whether `parse_number` takes `text`."""
    try:
        parse_number(text)
    except InvalidInput:
        return False
    return True


def is_missing(value: Any) -> bool:
    """Whether `value` is a missing value: a missing word, None, NaN or NaT of any type, pandas.NA, or masked."""
    if isinstance(value, str):
        return value.strip() in MISSING_WORDS
    if value is None or type(value).__name__ in _MISSING_TYPES:
        return True
    try:
        return bool(value != value)
    except Exception as error:  # an array has more than one answer, and somebody's object may raise anything
        if is_from_handler(error):
            raise
        return False


def read_value(value: Any, feature: Feature) -> float | str:
    """What the tensor holds for a value of any type; a string is a cell of a CSV file, or an argument at the shell.

    Raises:
        InvalidInput: it is not a value of this feature, such as a number for one whose categories are words; or it is
            missing and the model does not accept missing values.
    """
    return _missing(value, feature) if is_missing(value) else _present(value, feature)


def has_codes(feature: Feature) -> bool:
    """Whether its categories are integers."""
    return bool(feature.categories) and isinstance(feature.categories[0], int)


def category_string(value: Any) -> str:
    """How a value is spelled as a category: a string without white space around it, 3 and 3.0 as "3", True as "true".

    Raises:
        InvalidInput: it is neither a string nor a number, or it is a string that a tensor cannot hold.
    """
    if isinstance(value, str):
        text = value.strip()
        # ONNX Runtime takes UTF-8, and takes a null character for the end of it.
        if "\0" in text or not _is_utf8(text):
            raise InvalidInput(f"{_shown(text)} has a character that a tensor of strings cannot hold")
        return text
    if _is_boolean(value):
        return str(bool(value)).lower()
    if not _is_real(value):
        raise InvalidInput(f"{_shown(value)} is neither a string nor a number")
    try:
        is_whole = value == int(value)
    except (OverflowError, ValueError):  # infinity, NaN
        is_whole = False
    try:
        return str(int(value)) if is_whole else str(value)
    except ValueError:
        raise InvalidInput("the integer has too many digits for a category") from None


def row_values(row: Mapping[Any, Any], features: Sequence[Feature]) -> list[Any]:
    """The values of `features` in `row`, by name.

    A feature may be absent if some of its values were missing in training; its value is None then.

    Raises:
        InvalidInput: another feature is absent; the message names all of them.
    """
    try:
        return [row[feature.name] for feature in features]
    except KeyError:
        pass
    absent = [feature.name for feature in features if feature.name not in row and not feature.missing]
    if absent:
        known = {feature.name for feature in features}
        raise InvalidInput(f"missing {listed(absent)}{misspelt((name for name in row if name not in known), absent)}")
    return [row.get(feature.name) for feature in features]


def misspelt(given: Iterable[object], absent: Collection[str]) -> str:
    """`; 'mas' is not a feature; did you mean 'mass'?` for the first name that is spelled like one of `absent`.

    Args:
        given: names that are not features.
        absent: features that are absent, at least one.

    Returns:
        What to add to the error, the empty string if no name is spelled like a feature.
    """
    wanted = list(absent)[:_COMPARED]
    for name, _ in zip(given, range(_COMPARED), strict=False):
        if isinstance(name, str) and (meant := suggestion(name, wanted)):
            return f"; {name!r} is not a feature{meant}"
    return ""


def listed(names: Iterable[str], most: int = 12) -> str:
    """`names` in one line: the first `most` and the last, if there are more."""
    names = list(names)
    return ", ".join(names if len(names) <= most else [*names[:most], f"... {names[-1]}"])


def _missing(value: Any, feature: Feature) -> float | str:
    if feature.missing is not None:
        return "" if feature.kind == "categorical" else math.nan
    if feature.kind != "numeric" or type(value).__name__ in _MISSING_TYPES:
        raise InvalidInput("the value is missing, and missing values are not accepted for this feature")
    # NaN is also a number, which a model without missing values carries to its answer.
    return _number(value)


def _present(value: Any, feature: Feature) -> float | str:
    if feature.kind == "numeric":
        return _number(value)
    if feature.kind == "boolean":
        return _boolean(value)
    return _code(value) if has_codes(feature) else _category(value, feature)


def _is_real(value: Any) -> bool:
    # numpy gives a __float__ to every scalar, to dates too. Its arrays of one element have a dimension.
    if not hasattr(type(value), "__float__") or getattr(value, "shape", ()) != ():
        return False
    return getattr(getattr(value, "dtype", None), "kind", "f") in "fiub"


def _number(value: Any) -> float:
    if isinstance(value, str):
        return parse_number(value)
    if not _is_real(value):
        raise InvalidInput(f"{_shown(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        raise InvalidInput("the number does not fit float32") from None
    if abs(number) > FLOAT32_MAX and not math.isinf(number):
        raise InvalidInput(f"{shortened(str(value))} does not fit float32")
    return number


def _boolean(value: Any) -> float:
    if isinstance(value, str):
        found = BOOLEAN_WORDS.get(value.strip().lower())
        number = float(value) if found is None and is_number(value) else found
    else:
        number = _number(value)
    if number not in (0, 1):
        raise InvalidInput(f"{_shown(value)} is neither true nor false")
    return float(number)


def _category(value: Any, feature: Feature) -> str:
    text = category_string(value)
    if isinstance(value, str) or text in feature.spellings:
        return text
    # The training table may spell 1.0 as "1.0" and 7 as "007".
    key = (bool(value),) if _is_boolean(value) else _approximate(value)
    if key in feature.spellings:
        return feature.spellings[key]
    # Among words it is a mistake; among words that are numbers, another one that training never saw.
    if feature.categories and not any(type(known) is type(key) for known in feature.spellings):
        raise InvalidInput(
            f"{shortened(str(value))} is not a string; the categories are strings such as {feature.categories[0]!r}"
        )
    return text


def _approximate(value: Any) -> float:
    try:
        return float(value)
    except (OverflowError, ValueError):  # an integer beyond float64, a signalling NaN
        return math.inf


def _code(value: Any) -> str:
    if isinstance(value, str):
        try:
            return str(int(value.replace("_", "?")))
        except ValueError:
            value = parse_number(value)
    if _is_boolean(value) or not _number(value).is_integer():
        raise InvalidInput(f"{_shown(value)} is not an integer")
    # Of the value itself: a float does not hold every integer.
    return str(int(value))


def _is_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    return getattr(getattr(value, "dtype", None), "kind", "") == "b" and getattr(value, "shape", ()) == ()


def _shown(value: Any) -> str:
    """How a message shows a value, which may be long, nested deeply, or of somebody's class."""
    try:
        return shortened(repr(value))
    except Exception as error:
        if is_from_handler(error):
            raise
        return f"an object of type {type(value).__name__}"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
