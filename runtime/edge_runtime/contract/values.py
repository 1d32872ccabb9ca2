"""What one value of a row means: one set of rules, for training and for every way in.

A tensor of numbers holds NaN for a missing value, 1 for true and 0 for false. A tensor of strings holds the empty
string for a missing value. A tensor of dates holds seconds, as `dates` says, and numpy's NaT for a missing value.
Errors do not name the feature: the caller knows it, and puts its name before the message.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.plain_numbers import FLOAT32_MAX as FLOAT32_MAX
from edge_runtime.contract.plain_numbers import is_number as is_number
from edge_runtime.contract.plain_numbers import parse_number as parse_number
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.terminal import shortened, suggestion

# Strings that stand for a missing value, once white space around them is gone.
MISSING_WORDS = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "?"})

# Strings that stand for a boolean, in any case, once white space around them is gone.
BOOLEAN_WORDS = {"true": True, "false": False}

# pandas.NA and numpy.ma.masked equal nothing, and only their packages could tell what they are.
_MISSING_TYPES = frozenset({"NAType", "MaskedConstant"})

# How many names an error compares, so that a table of thousands of columns is refused at once too.
_COMPARED = 50


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

    Returns:
        A float for numbers and booleans, a string for categories, an int for dates.

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
        if feature.kind == "date":
            from edge_runtime.contract.dates import MISSING_DATE

            return MISSING_DATE
        return "" if feature.kind == "categorical" else math.nan
    if feature.kind != "numeric" or type(value).__name__ in _MISSING_TYPES:
        raise InvalidInput("the value is missing, and missing values are not accepted for this feature")
    # NaN is also a number, which a model without missing values carries to its answer.
    return _number(value)


def _present(value: Any, feature: Feature) -> float | str:
    if feature.kind == "numeric":
        if feature.notation is not None and isinstance(value, str):
            return feature.notation.parse(value)
        return _number(value)
    if feature.kind == "boolean":
        return _boolean(value, feature.words)
    if feature.kind == "date":
        # Most models have none, and opening a model does not wait for it.
        from edge_runtime.contract.dates import date_seconds

        return date_seconds(value, feature.order)
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


def _boolean(value: Any, words: tuple[str, str] | None) -> float:
    if isinstance(value, str):
        text = value.strip().lower()
        found = BOOLEAN_WORDS.get(text)
        if found is None and words is not None and text in (lowered := [word.lower() for word in words]):
            found = bool(lowered.index(text))
        number = float(value) if found is None and is_number(value) else found
    else:
        number = _number(value)
    if number not in (0, 1):
        known = "neither true nor false" if words is None else f"neither {words[1]!r} (true) nor {words[0]!r} (false)"
        raise InvalidInput(f"{_shown(value)} is {known}")
    return float(number)


def _category(value: Any, feature: Feature) -> str:
    text = category_string(value)
    if isinstance(value, str) or text in feature.spellings:
        return text
    # The training table may spell 1 as "1.0". "007" is a name, and 7 is not guessed to be it.
    key = (bool(value),) if _is_boolean(value) else _approximate(value)
    if key in feature.spellings:
        return feature.spellings[key]
    # Among words it is a mistake; among words that are numbers, another one that training never saw.
    if feature.categories and not feature.has_spelled(type(key)):
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
