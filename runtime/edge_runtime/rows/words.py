"""One row from the words of a command line."""

from collections.abc import Sequence

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.terminal import suggestion
from edge_runtime.contract.values import is_number, listed, read_value, row_values
from edge_runtime.rows.row import Row, read_row


def is_option(word: str) -> bool:
    """Whether a word of a command line was meant as an option: it begins as one, and not as -1, -$5 and -inf do."""
    if word.startswith("--") or not word.startswith("-"):
        return word.startswith("--")
    return not any(map(str.isdigit, word)) and not is_number(word)


def parse_words(words: Sequence[str], features: Sequence[Feature]) -> Row:
    """One row from separate words: values in the order of `features`, or name=value in any order.

    With names, features may be absent if some of their values were missing in training.

    Raises:
        InvalidInput: there are too few or too many values, one is not a value of its feature, a feature is missing, or
            a name is not a feature.
    """
    named = [_named(word, features) for word in words]
    # A category may have an equals sign in it too.
    known = {spelling for feature in features for spelling in feature.spellings}
    meant = all("=" in word and word not in known for word in words)
    if not meant and not any(named):
        if len(words) == 1 and 1 < len(features) == len(words[0].replace(",", " ").split()):
            raise InvalidInput(f"{words[0]!r} is one word; give each value as a word of its own, with spaces between")
        return read_row(words, features, read_value)
    values: dict[str, str] = {}
    for word, pair in zip(words, named, strict=True):
        if pair is None:
            raise _not_named(word, [feature.name for feature in features])
        name, value = pair
        if name in values:
            raise InvalidInput(f"{name} is given twice")
        values[name] = value
    return read_row([value or "" for value in row_values(values, features)], features, read_value)


def _named(word: str, features: Sequence[Feature]) -> tuple[str, str] | None:
    """The feature's name and the value in name=value; the longest name, if several fit."""
    names = [feature.name for feature in features if word.startswith(f"{feature.name}=")]
    if not names:
        return None
    name = max(names, key=len)
    return name, word[len(name) + 1 :]


def _not_named(word: str, names: list[str]) -> InvalidInput:
    name, equals, _ = word.partition("=")
    if not equals:
        return InvalidInput(f"{word!r} has no name, but another value has one; name all values, or none")
    return InvalidInput(f"{name!r} is not a feature{suggestion(name, names) or f'; the features are {listed(names)}'}")
