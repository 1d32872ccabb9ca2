"""Rows from a text: CSV with a header or without one, or JSON Lines.

Rows are read one at a time, so that a row from a pipe is answered before the next one is written.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from edge_runtime.contract.errors import EdgePredictError, InvalidInput
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.signature import Feature
from edge_runtime.rows.csv_rows import csv_rows, first_cells, names_every_feature
from edge_runtime.rows.json_rows import json_rows
from edge_runtime.rows.row import Row

_DELIMITERS = ",\t;|"


def read_rows(
    lines: Iterable[str],
    features: Sequence[Feature],
    source: str,
    note: Callable[[str], None],
    delimiter: str | None = None,
    limits: Limits = DEFAULTS,
) -> Iterator[Row]:
    """The rows in `lines`, as the model's tensors hold them.

    The text is JSON Lines if its first line that is not blank opens an object or an array, and CSV otherwise. A CSV
    line that names every feature is a header: its columns may be in any order, and other columns are ignored. Without
    a header, the columns are in the order of `features`. A JSON line is an array in that order, or an object by feature
    name.

    Args:
        lines: the text, line by line.
        features: the model's features.
        source: what to call the text in messages.
        note: called with a message if columns are ignored, once for each column.
        delimiter: the character between the columns of CSV; by default the first of comma, tab, semicolon and vertical
            bar that makes the first line a header, or a comma if none does.
        limits: how deep JSON may be nested, and how long a cell of CSV may be.

    Yields:
        Each row: a float, a string or the seconds of a date for each feature, in the order of `features`.

    Raises:
        InvalidInput: a line is not a row for these features; the message gives its number.
    """
    lines = iter(lines)
    blank = 0
    for line in lines:
        if line.strip():
            break
        blank += 1
    else:
        raise InvalidInput(f"{source} is empty; it must hold at least one row")
    named_by = [one for one in _DELIMITERS if names_every_feature(first_cells(line, one, limits), features)]
    read = itertools.chain(itertools.repeat("\n", blank), [line], lines)
    # The name of a feature may begin with a bracket too.
    if line.lstrip()[0] in "[{" and not named_by:
        rows = json_rows(read, features, source, note, limits)
    else:
        rows = csv_rows(read, features, source, note, delimiter or (named_by or _DELIMITERS)[0], limits)
    first = next(rows, None)
    if first is None:
        raise InvalidInput(f"{source} has no rows below its header")
    yield first
    yield from rows


def in_batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """`rows` in lists of `size`. If a row cannot be read, the rows before it come before its error."""
    batch: list[Row] = []
    try:
        for row in rows:
            batch.append(row)
            if len(batch) == size:
                yield batch
                batch = []
    except EdgePredictError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
