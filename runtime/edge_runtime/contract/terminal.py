"""Text for a terminal: control characters escaped, messages in one line, columns, suggestions for mistyped words."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

# How many files of a folder are compared with a name that is not there, so that a full folder does not delay the error.
_COMPARED = 1000

# How long a message may be whose length nobody knows, such as one with all inputs of a model.
MOST_CHARACTERS = 400


def printable(text: object) -> str:
    """`text` in one line, with every character that is not printable escaped as in Python."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def json_string(plain: object) -> str:
    """A string, or other plain values, as JSON in one line, with every character that is not printable escaped."""
    import json

    shown = json.dumps(plain, ensure_ascii=False)
    if shown.isprintable():
        return shown
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in shown)


def one_line(message: object) -> str:
    """The message of another library in one line: its line breaks and what surrounds them become single spaces.

    What is not printable in it is escaped: it may have the names of an untrusted model. Not for text that a person will
    use again, such as the name of a column: two spaces in it become one.
    """
    return printable(" ".join(str(message).split()))


def shortened(message: str, most: int = MOST_CHARACTERS) -> str:
    """The beginning of a long message, and its end: what is wrong stands in the one or the other."""
    if len(message) <= most:
        return message
    return f"{message[: most - 100].rstrip()} ... {message[-95:].lstrip()}"


def counted(number: float, one: str, many: str | None = None) -> str:
    """`1 byte`, `2,000 bytes`, `0.5 seconds`.

    Args:
        number: how many.
        one: what is counted, in the singular.
        many: its plural, if that is not `one` with an s.
    """
    shown = f"{number:,.12g}" if isinstance(number, float) else f"{number:,}"
    return f"{shown} {one if number == 1 else many or f'{one}s'}"


def aligned(rows: Sequence[Sequence[object]], right: Collection[int] = ()) -> list[str]:
    """Lines in which the cells of `rows` stand in columns.

    Args:
        rows: the cells of each line, as many in each.
        right: the columns that are aligned to the right, from 0.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'species'?` if one of `known` is spelled like `word`, else an empty string."""
    # Only errors need it, and it takes milliseconds to import.
    import difflib

    # Without the dashes that all options begin with.
    word = word.casefold().lstrip("-")
    spellings = {name.casefold().lstrip("-"): name for name in known}
    # Few characters may be wrong, in long words too: those that only end alike are not meant for each other.
    least_alike = max(0.6, 1 - 4 / max(len(word), 1))
    close = difflib.get_close_matches(word, spellings, n=1, cutoff=least_alike)
    return f"; did you mean {spellings[close[0]]!r}?" if close else ""


def unreadable(path: Path, error: OSError) -> str:
    """Why `path` cannot be read, such as `modle.onnx: no such file; did you mean 'model.onnx'?`."""
    shown = printable(path)
    if not isinstance(error, FileNotFoundError):
        return f"{shown} cannot be read: {error.strerror or error}"
    if path.is_symlink():
        return f"{shown} is a link to {printable(path.readlink())}, and there is no such file"
    try:
        beside = [one.name for one, _ in zip(path.parent.iterdir(), range(_COMPARED), strict=False)]
    except OSError:
        beside = []
    return f"{shown}: no such file{suggestion(path.name, beside)}"
