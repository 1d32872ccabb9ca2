"""Labels from a text file."""

from pathlib import Path

from edge_export.errors import ExportError
from edge_runtime.contract.labels import Label
from edge_runtime.contract.text_files import open_text, reading_text


def read_labels(path: Path) -> tuple[Label, ...]:
    """The labels in a file, one a line, without the white space around them: integers, if all are written so.

    Raises:
        ExportError: it cannot be read, or a line is empty.
    """
    with reading_text(path, ExportError), open_text(str(path)) as file:
        lines = [line.strip() for line in file]
    if empty := [number for number, line in enumerate(lines, start=1) if not line]:
        raise ExportError(f"{path} line {empty[0]} is empty; each line must hold the label of a class")
    are_integers = all(line.removeprefix("-").isdecimal() and str(int(line)) == line for line in lines)
    return tuple(map(int, lines)) if are_integers else tuple(lines)
