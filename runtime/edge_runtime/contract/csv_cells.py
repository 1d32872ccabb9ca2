"""The cells of CSV, by a reader whose longest cell is that of `Limits`."""

import _csv
from collections.abc import Iterable, Iterator
from importlib.util import module_from_spec
from typing import Any

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.limits import DEFAULTS, Limits, how_to_raise
from edge_runtime.contract.terminal import counted

# What csv takes on every system: the limit is a C long, of 32 bits on Windows.
_MOST = 2**31 - 1


def csv_cells(
    lines: Iterable[str],
    delimiter: str,
    source: str,
    kind: type[EdgePredictError],
    limits: Limits = DEFAULTS,
    *,
    strict: bool = True,
) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record, and the number of its last line.

    A cell may have as many characters as a line may have bytes. Cells of several lines need that bound: a quote that is
    never closed takes in the rest of the text.

    Args:
        lines: the text, with the ends of its lines as they are.
        delimiter: the character between two cells.
        source: what to call the text in messages.
        kind: the error that is raised.
        limits: how long a cell may be.
        strict: whether a quote must be closed, with the end of its cell after it.

    Raises:
        EdgePredictError: of this `kind`, at a line that is not CSV, or at a cell that is too long.
    """
    most = min(limits.line_bytes or _MOST, _MOST)
    csv = _own_csv(most)
    reader = csv.reader(lines, strict=strict, delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        reason = f"not CSV: {error}"
        # csv has one class for all of its errors.
        if "field limit" in reason:
            reason = (
                f"a cell has more than {counted(most, 'character')}, or its quote is never closed"
                f"{how_to_raise('line_bytes')}"
            )
        raise kind(f"{source} line {reader.line_num}: {reason}") from error


def _own_csv(most: int) -> Any:
    """The module csv, with a limit of its own for the length of a cell.

    `csv.field_size_limit` sets that of the whole process, 131,072 characters at first, for whoever else reads CSV in
    it. It is kept in the module that csv is made of, so another copy of that module has another limit. A copy takes
    20 microseconds.
    """
    spec = _csv.__spec__
    assert spec is not None
    assert spec.loader is not None
    own: Any = module_from_spec(spec)
    spec.loader.exec_module(own)
    own.field_size_limit(most)
    return own
