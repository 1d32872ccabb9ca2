"""Text between two marks of a page: how a table in the docs comes from the command that makes it."""

from pathlib import Path


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put `text` between the lines `begin` and `end` of `page`.

    Raises:
        ValueError: the page has no such lines.
    """
    before, has_begin, rest = page.read_text().partition(begin)
    _, has_end, after = rest.partition(end)
    if not has_begin or not has_end:
        raise ValueError(f"{page} has no lines {begin.strip()!r} and {end.strip()!r} to put the table between")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")
