"""Labels from a text file."""

import io
from pathlib import Path

from edge_export.errors import ExportError
from edge_runtime.contract.labels import Label
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.text_files import open_text, reading_text

# No integer that a tensor holds is longer, and Python reads none with thousands of digits.
_DIGITS = 20


def read_labels(path: Path, limits: Limits = DEFAULTS) -> tuple[Label, ...]:
    """The labels in a file, one a line, without the white space around them: integers, if all are written so.

    Raises:
        ExportError: it cannot be read, or a line is empty.
        InvalidInput: it is longer than a line may be by `limits`.
    """
    with reading_text(path, ExportError), open_text(str(path), limits) as text:
        lines = [line.strip() for line in io.StringIO(text.whole(), newline="")]
    if empty := [number for number, line in enumerate(lines, start=1) if not line]:
        raise ExportError(f"{path} line {empty[0]} is empty; each line must hold the label of a class")
    are_integers = all(len(line) <= _DIGITS and line.removeprefix("-").isdecimal() for line in lines)
    are_integers = are_integers and all(str(int(line)) == line for line in lines)
    return tuple(map(int, lines)) if are_integers else tuple(lines)
