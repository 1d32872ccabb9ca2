"""Text for a terminal: control characters escaped, messages in one line, columns, suggestions for mistyped words."""

from collections.abc import Collection, Iterable, Sequence


def printable(text: object) -> str:
    """`text` in one line, with every character that is not printable escaped as in Python."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def one_line(message: object) -> str:
    """The message of another library in one line: its line breaks and what surrounds them become single spaces.

    Not for text that a person will use again, such as the name of a column: two spaces in it become one.
    """
    return " ".join(str(message).split())


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

    spellings = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), spellings, n=1)
    return f"; did you mean {printable(spellings[close[0]])!r}?" if close else ""
